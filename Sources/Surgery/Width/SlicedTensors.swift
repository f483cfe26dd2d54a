import Formats
import TensorCore
import Transformer

/// How each tensor of a sliced model is computed from the whole one, some rows at a time: what is resident is one tensor of the model, the
/// two bases on its sides, and the rows.
struct SlicedTensors {
  private let model: Llama
  private let path: StreamPath
  private let bases: StreamBases
  private(set) var makers: [String: RowMaker] = [:]

  init(_ slice: SliceGPT) {
    (model, path, bases) = (slice.model, slice.path, slice.bases)
    let norm = SlicedTensors.constant((Float(model.config.hiddenSize) / Float(slice.width)).squareRoot(), slice.width)
    makers[TensorName.embedding] = embedding()
    for (place, sublayer) in path.sublayers.enumerated() {
      let layer = model.layers[sublayer.layer]
      func set(_ part: TensorName.Part, _ maker: @escaping RowMaker) { makers[TensorName.layer(sublayer.layer, part)] = maker }
      if sublayer.part == .attention, let attention = layer.attention {
        set(.attentionNorm, norm)
        set(.query, reading(attention.query, attention.norm, at: place))
        set(.key, reading(attention.key, attention.norm, at: place))
        set(.value, reading(attention.value, attention.norm, at: place))
        set(.attentionOutput, writing(attention.output, before: place + 1))
        set(.attentionShortcut, shortcut(from: place))
      } else if let mlp = layer.mlp {
        set(.mlpNorm, norm)
        set(.gate, reading(mlp.gate, mlp.norm, at: place))
        set(.up, reading(mlp.up, mlp.norm, at: place))
        set(.down, writing(mlp.down, before: place + 1))
        set(.mlpShortcut, shortcut(from: place))
      }
    }
    makers[TensorName.finalNorm] = norm
    makers[TensorName.head] = reading(model.head, model.finalNorm, at: path.sublayers.count)
  }

  private static func constant(_ value: Float, _ count: Int) -> RowMaker {
    { rows in [Float](repeating: value, count: rows.count * count) }
  }

  /// E·Mᵀ·V₀ᵀ, M being what lies before the first place.
  private func embedding() -> RowMaker {
    let (table, before, bases) = (model.embedding, path.before, bases)
    return { rows in try before.applied(to: table.rows(rows).copied(as: .f32)).linear(bases(0)).floats() }
  }

  /// W·diag(norm)·Vᵀ of a matrix that reads the normalised stream, [M, C] → [M, k].
  private func reading(_ weight: Tensor, _ norm: Tensor, at place: Int) -> RowMaker {
    let bases = bases
    return { rows in
      let scaled = try weight.rows(rows).copied(as: .f32)
      scaled.backend.multiply(scaled, norm, into: scaled)
      return try scaled.linear(bases(place)).floats()
    }
  }

  /// V·M·W of a matrix that writes to the stream, [C, M] → [k, M], M being what lies before the place.
  private func writing(_ weight: Tensor, before place: Int) -> RowMaker {
    let (behind, bases) = (path.sublayers[place - 1].behind, bases)
    return { rows in
      let left = try behind.folded(into: bases(place).rows(rows))
      let out = try Tensor(left.rows, weight.columns, on: left.backend)
      left.backend.matmul(left, weight, transpose: .none, beta: 0, into: out)
      return try out.floats()
    }
  }

  /// V_next·M·S·Vᵀ, [k, k]: what joins the bases before and behind a sublayer, with its old shortcut S.
  private func shortcut(from place: Int) -> RowMaker {
    let (sublayer, bases) = (path.sublayers[place], bases)
    let maps = (sublayer.shortcut.map { [$0] } ?? []) + sublayer.behind
    return { rows in try maps.folded(into: bases(place + 1).rows(rows)).linear(bases(place)).floats() }
  }
}
