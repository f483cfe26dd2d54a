import Formats
import JSON
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// Sequences and what each row is to predict, packed; -1 is not scored.
struct Batch {
  let sequences: [[Int32]]
  /// Of each row, the next token if it is scored.
  let targets: [[Int32]]

  var scored: Int { targets.joined().count { $0 >= 0 } }

  init(sequences: [[Int32]], targets: [[Int32]]) { (self.sequences, self.targets) = (sequences, targets) }

  /// Every next token is scored.
  init(_ sequences: [[Int32]]) { self.init(sequences: sequences, targets: sequences.map { $0.dropFirst() + [-1] }) }

  /// Adds the gradients of scale · Σ losses and returns Σ losses; the mean's gradient unless `scale` says otherwise.
  @discardableResult
  func differentiate(
    _ model: Llama, into gradients: Gradients, scale: Float? = nil, checkpointed: Bool = false, at points: Set<Site.Point> = [],
    adapter: Adapter? = nil, dropout: DropoutStream? = nil, visitor: Tape.Visitor? = nil
  ) throws -> Double {
    let backend = model.backend
    let layout = try PackedLayout(lengths: sequences.map(\.count), on: backend)
    let ids = try Tensor(Array(sequences.joined()), on: backend)
    let tape = Tape(into: gradients, at: points, adapter: adapter, dropout: dropout, visitor: visitor)
    let hidden = try checkpointed ? model.hidden(ids, layout, checkpointedBy: tape) : model.hidden(ids, layout, in: tape)
    let losses = try tape.crossEntropy(
      of: hidden, head: tape.parameter(model.head), targets: Tensor(Array(targets.joined()), on: backend),
      scale: scale ?? 1 / Float(scored),
      rowsPerChunk: 100)
    try tape.backward()
    return try losses.floats().reduce(0) { $0 + Double($1) }
  }
}

/// One of the two fine-tuning runs of ../shared/reference/*/sft.json.
struct ReferenceRun {
  let batch: Batch
  let loss: Double
  let gradientNorm: Double
  let gradientNorms: [String: Double]
  /// Before each of the steps, and after the last.
  let losses: [Double]
  /// Before each of the steps.
  let stepNorms: [Double]
  /// ‖weights after the steps - weights before‖, over all of them.
  let weightChange: Double

  static let models = ["stories260K", "talespin-tiny", "talespin-15m"]

  init(_ model: String, _ name: String) throws {
    let runs = try SharedData.json("reference/\(model)/sft.json")["runs"]?.array ?? []
    let run = try #require(runs.first { $0["name"]?.string == name })
    func lists(_ field: String) -> [[Int32]] {
      run[field]?.array?.map { $0.array?.compactMap { $0.int.map(Int32.init) } ?? [] } ?? []
    }
    // The reference's labels are shifted by the loss, ours by the batch; -100 is not scored.
    batch = Batch(sequences: lists("input_ids"), targets: lists("labels").map { $0.dropFirst().map { max($0, -1) } + [-1] })
    let before = run["loss_before_each_step"]?.array?.compactMap(\.double) ?? []
    losses = before + [run["loss_after_10_steps"]?.double ?? .nan]
    stepNorms = run["grad_norm_before_each_step"]?.array?.compactMap(\.double) ?? []
    weightChange = run["weight_change_l2_after_10_steps"]?.double ?? .nan
    loss = losses.first ?? .nan
    gradientNorm = stepNorms.first ?? .nan
    gradientNorms = run["grad_norm_per_tensor_step0"]?.object?.members.reduce(into: [:]) { $0[$1.0] = $1.1.double } ?? [:]
  }
}

func openShared(_ name: String, on backend: any ComputeBackend) throws -> Llama {
  try Llama(try ModelSource.open(path: SharedData.path("models/\(name)")), on: backend)
}
