import TensorCore
import Transformer

/// The loss on texts that are not trained on.
public struct HeldOut: Sendable {
  private let batches: [TrainingBatch]
  /// Scored tokens.
  public let scored: Int

  /// - Parameter rowsPerPass: tokens that go through the model at a time.
  public init(_ examples: [TrainingExample], rowsPerPass: Int) {
    batches = TrainingBatch(examples).passes(of: rowsPerPass)
    scored = batches.reduce(0) { $0 + $1.scored }
  }

  /// Mean over all scored tokens, nats. The same batches each time, so that two of them can be compared to the last bit.
  public func loss(of trainee: Trainee, rowsPerChunk: Int) throws(BackendError) -> Double {
    let (model, backend) = (trainee.model, trainee.backend)
    var sum = 0.0
    for batch in batches {
      let batch = try PackedBatch(batch, on: backend)
      // A tape that wants no gradient records nothing.
      let tape = Tape(into: Gradients(of: [Tensor]()), adapter: trainee.adapter)
      let hidden = try model.hidden(batch, checkpointed: false, in: tape)
      let losses = try tape.crossEntropy(
        of: hidden, head: tape.parameter(model.head), targets: batch.targets, scale: 1, rowsPerChunk: rowsPerChunk)
      sum += try losses.sum()
    }
    return sum / Double(scored)
  }
}

/// Values of all trained tensors at some step, in the host's memory.
public struct KeptState: Sendable {
  public let step: Int
  public let heldOut: Double
  /// In the order of `Trainee.trained`: the exact values' bytes.
  let values: [[UInt8]]
}

extension Trainer {
  /// Measures the held-out loss of the weights as they are now.
  /// - Parameter keepsBest: whether they are remembered when no earlier ones were better.
  public func measure(_ heldOut: HeldOut, keepsBest: Bool) throws(BackendError) -> Double {
    let loss = try heldOut.loss(of: trainee, rowsPerChunk: memory.rowsPerChunk)
    progress.firstHeldOut = progress.firstHeldOut ?? loss
    progress.heldOut = loss
    if keepsBest, loss.isFinite, loss < best?.heldOut ?? .infinity {
      var values: [[UInt8]] = []
      for parameter in trainee.trained { values.append(try parameter.value.bytes()) }
      best = KeptState(step: progress.step, heldOut: loss, values: values)
    }
    return loss
  }

  /// Puts the best state back into the weights, for the end of a run.
  public func restoreBest() throws(BackendError) {
    guard let best else { return }
    for (parameter, values) in zip(trainee.trained, best.values) { try parameter.value.upload(values) }
    optimizer.roundMasters()
  }
}
