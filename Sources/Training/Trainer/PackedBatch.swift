import TensorCore
import Transformer

/// A batch on the device: what goes in, which rows are scored, and what they are to predict.
struct PackedBatch {
  let layout: PackedLayout
  /// [N, 1] i32
  let ids: Tensor
  /// Rows that predict a scored token, [S, 1] i32; nil when all rows do.
  let scored: Tensor?
  /// [S, 1] i32, none negative
  let targets: Tensor
  /// The same on the host.
  let targetIDs: [Int32]

  init(_ batch: TrainingBatch, on backend: any ComputeBackend) throws(BackendError) {
    layout = try PackedLayout(lengths: batch.sequences.map(\.count), on: backend)
    ids = try Tensor(Array(batch.sequences.joined()), on: backend)
    let all = Array(batch.targets.joined())
    let rows = all.indices.filter { all[$0] >= 0 }
    scored = rows.count == all.count ? nil : try Tensor(rows.map(Int32.init), on: backend)
    targetIDs = rows.map { all[$0] }
    targets = try Tensor(targetIDs, on: backend)
  }
}

extension Llama {
  /// The hidden rows of `batch` that the LM head reads, [S, C]: those that predict a scored token. A prompt that is not scored costs no product
  /// with the head, which is a third of all work in a small model.
  func hidden(_ batch: PackedBatch, checkpointed: Bool, in tape: Tape) throws(BackendError) -> Tape.Variable {
    let stream =
      checkpointed
      ? try stream(batch.ids, batch.layout, checkpointedBy: tape)
      : try run(embed(batch.ids, in: tape), batch.layout, layers: 0..<layers.count, in: tape)
    return try finish(batch.scored.map { rows throws(BackendError) in try tape.rows(of: stream, at: rows) } ?? stream, in: tape)
  }
}

extension Tape {
  /// Rows `ids` [S, 1] i32 of x [N, C], [S, C] f32. Its backward adds each row's gradient where it came from.
  public func rows(of x: Variable, at ids: Tensor) throws(BackendError) -> Variable { try embed(ids, in: x) }
}

extension TrainingBatch {
  /// The same sequences in several passes of at most `rows` tokens, or of one sequence; a pass that scores nothing is left out.
  func passes(of rows: Int) -> [TrainingBatch] {
    var parts: [Range<Int>] = []
    var filled = 0
    for (index, sequence) in sequences.enumerated() {
      if let last = parts.last, filled + sequence.count <= rows {
        parts[parts.count - 1] = last.lowerBound..<index + 1
        filled += sequence.count
      } else {
        parts.append(index..<index + 1)
        filled = sequence.count
      }
    }
    return parts.map { TrainingBatch(sequences: Array(sequences[$0]), targets: Array(targets[$0])) }.filter { $0.scored > 0 }
  }
}
