import TensorCore
import Transformer

/// The calibration of a slice: one pass over all prompts, stopped at each place to find the basis there and to go on with what it keeps.
struct SlicePass {
  private let model: Llama
  private let path: StreamPath
  private let groups: [Group]

  /// Some prompts packed into one batch.
  private struct Group {
    let ids: Tensor
    let layout: PackedLayout
  }

  /// Rows of a batch: f32 sums of so many products are good to 1e-6, and a batch's neurons fit beside a large model.
  private static let rowsPerBatch = 4096

  init(_ model: Llama, _ path: StreamPath, prompts: [[Int32]]) throws(BackendError) {
    (self.model, self.path) = (model, path)
    var groups: [Group] = []
    var batch: [[Int32]] = []
    var rows = 0
    func close() throws(BackendError) {
      if rows == 0 { return }
      groups.append(
        Group(
          ids: try Tensor(Array(batch.joined()), on: model.backend),
          layout: try PackedLayout(lengths: batch.map(\.count), on: model.backend)))
      (batch, rows) = ([], 0)
    }
    for prompt in prompts where !prompt.isEmpty {
      if rows + prompt.count > SlicePass.rowsPerBatch { try close() }
      batch.append(prompt)
      rows += prompt.count
    }
    try close()
    self.groups = groups
  }

  func run(into bases: StreamBases, monitor: (_ done: Int, _ total: Int) throws -> Void) throws -> [SliceGPT.Place] {
    // The stream may be written to where it lies: nobody else has it.
    let graph = Eager(ownsStream: true)
    var streams: [Tensor] = []
    for group in groups { streams.append(try path.before.applied(to: model.embed(group.ids, in: graph))) }
    var places: [SliceGPT.Place] = []
    for place in 0..<path.placeCount {
      let sublayer = place < path.sublayers.count ? path.sublayers[place] : nil
      let (layer, part) = sublayer.map { ($0.layer, $0.part) } ?? (model.layers.count, .head)
      var covariance = StreamCovariance(width: model.config.hiddenSize)
      for stream in streams { try covariance.add(stream) }
      guard let (axes, captured) = covariance.principalAxes(bases.shape.rows) else { throw SliceError.notFinite(layer: layer, part: part) }
      try bases.store(axes, at: place)
      places.append(SliceGPT.Place(layer: layer, part: part, captured: captured))
      try monitor(place + 1, path.placeCount)
      guard let sublayer else { break }
      let basis = try bases(place)
      for (index, group) in groups.enumerated() {
        let kept = try streams[index].projected(onRowsOf: basis)
        let layer = model.layers[sublayer.layer]
        let next = try sublayer.part == .attention ? layer.attend(kept, group.layout, in: graph) : layer.feedForward(kept, in: graph)
        streams[index] = try sublayer.behind.applied(to: next)
      }
    }
    return places
  }
}

extension Tensor {
  /// x [N, C], basis [k, C] with orthonormal rows → x·basisᵀ·basis [N, C]
  package func projected(onRowsOf basis: Tensor) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, columns, on: backend)
    backend.matmul(try linear(basis), basis, transpose: .none, beta: 0, into: out)
    return out
  }
}
