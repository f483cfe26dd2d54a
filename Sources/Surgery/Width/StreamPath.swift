import Formats
import TensorCore
import Transformer

/// A model's residual stream as a chain of places: place j is where sublayer j reads it, the last one is where the final norm does.
/// Sublayers that were cut are no places. Patches and shortcuts of earlier cuts lie between places.
struct StreamPath {
  struct Sublayer {
    let layer: Int
    let part: SliceGPT.Part
    /// What the stream is multiplied with where it passes this sublayer by.
    let shortcut: ResidualMap?
    /// What stream and update are multiplied with between this sublayer and the next place, in this order.
    var behind: [ResidualMap] = []
  }

  /// From the embedding to the first place.
  private(set) var before: [ResidualMap] = []
  private(set) var sublayers: [Sublayer] = []

  init(_ model: Llama) {
    for layer in model.layers {
      pass(layer.patch)
      let (attentionShortcut, mlpShortcut) = (layer.attentionShortcut, layer.mlpShortcut)
      add(layer.index, .attention, isThere: layer.attention != nil, shortcut: attentionShortcut.map { .linear($0) })
      add(layer.index, .mlp, isThere: layer.mlp != nil, shortcut: mlpShortcut.map { .linear($0) })
    }
    pass(model.finalPatch)
  }

  var placeCount: Int { sublayers.count + 1 }

  private mutating func add(_ layer: Int, _ part: SliceGPT.Part, isThere: Bool, shortcut: ResidualMap?) {
    if isThere { sublayers.append(Sublayer(layer: layer, part: part, shortcut: shortcut)) } else { pass(shortcut) }
  }

  private mutating func pass(_ map: ResidualMap?) {
    guard let map else { return }
    if sublayers.isEmpty { before.append(map) } else { sublayers[sublayers.count - 1].behind.append(map) }
  }
}

extension [ResidualMap] {
  /// x [N, C] f32, each map after the other.
  func applied(to x: Tensor) throws(BackendError) -> Tensor {
    var x = x
    for map in self { x = try map(x, in: Eager()) }
    return x
  }

  /// rows [N, C] of a matrix V → the rows of V·M, M being all these maps in one: x·Mᵀ is what `applied` makes of x.
  func folded(into rows: Tensor) throws(BackendError) -> Tensor {
    var rows = rows
    for map in reversed() {
      switch map {
      case .linear(let weight):
        let out = try Tensor(rows.rows, weight.columns, on: rows.backend)
        rows.backend.matmul(rows, weight, transpose: .none, beta: 0, into: out)
        rows = out
      case .diagonal: rows = try map(rows, in: Eager())
      }
    }
    return rows
  }
}
