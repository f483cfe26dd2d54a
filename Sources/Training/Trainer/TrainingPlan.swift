import Formats
import JSON
import TensorCore

/// What determines every number of a training run, beside model and data.
public struct TrainingPlan: Sendable, Equatable {
  /// How many steps there are, and how fast each one learns.
  public var schedule: Schedule
  public var optimizer: Optimizer.Options
  /// The largest norm that the gradient of all trained parameters may have; a longer one is shortened to it. 0 takes it as it is.
  public var clip: Double
  public var batch: BatchOrder.Size
  /// Batches of a step.
  public var accumulation: Int
  /// Of the order of the data, of dropout and of stochastic rounding.
  public var seed: UInt64

  public init(
    schedule: Schedule, optimizer: Optimizer.Options = .init(), clip: Double = 1, batch: BatchOrder.Size = .examples(8),
    accumulation: Int = 1,
    seed: UInt64 = 0
  ) {
    self.schedule = schedule
    self.optimizer = optimizer
    self.clip = clip
    self.batch = batch
    self.accumulation = accumulation
    self.seed = seed
  }

  public var steps: Int { schedule.steps }

  /// Under names that a person knows from the command line.
  public var json: JSON.Object {
    let (unit, size) =
      switch batch {
      case .examples(let count): ("batch", count)
      case .tokens(let count): ("batch-tokens", count)
      }
    return [
      "steps": .int(steps), "schedule": .string(schedule.kind.rawValue), "lr": .double(schedule.peak), "warmup": .int(schedule.warmUp),
      "min-lr": .double(schedule.floor * schedule.peak), "optimizer": .string(optimizer.kind.rawValue), "beta1": .double(optimizer.beta1),
      "beta2": .double(optimizer.beta2), "epsilon": .double(optimizer.epsilon), "weight-decay": .double(optimizer.decay),
      "clip": .double(clip), unit: .int(size), "accumulate": .int(accumulation), "seed": .int(Int(truncatingIfNeeded: seed)),
    ]
  }
}

/// How a step is cut to the memory there is. None of it changes what a step computes, but the order of sums, and so the last bits: a run that
/// goes on takes it from its checkpoint.
public struct StepMemory: Sendable, Equatable {
  /// Whether layers are computed a second time instead of keeping what they computed.
  public var checkpointsActivations: Bool
  /// Whether that may be turned on when memory runs out.
  public var mayCheckpoint: Bool
  /// Tokens that go through the model at a time; a single longer sequence goes alone.
  public var rowsPerPass: Int
  /// Rows of logits that exist at a time.
  public var rowsPerChunk: Int

  public init(checkpointsActivations: Bool, mayCheckpoint: Bool = false, rowsPerPass: Int = .max, rowsPerChunk: Int = 256) {
    self.checkpointsActivations = checkpointsActivations
    self.mayCheckpoint = mayCheckpoint
    self.rowsPerPass = rowsPerPass
    self.rowsPerChunk = rowsPerChunk
  }

  private static let leastChunk = 32
  /// What a third cache holds some times over, or what fills a device that computes many rows at once.
  private static let chunkBytes = 64 << 20
  private static let deviceChunkBytes = 1 << 30

  /// - Parameters:
  ///   - checkpoints: nil recomputes layers only where keeping them would not fit.
  ///   - rows: tokens of the largest batch.
  ///   - budget: bytes for activations and logits.
  public init(
    _ config: LlamaConfig, checkpoints: Bool?, rows: Int, budget: Int, on backend: any ComputeBackend
  ) {
    let vocabulary = StepMemory.logitBytes * config.vocabularySize
    let chunk = min(backend.usefulRows == nil ? StepMemory.chunkBytes : StepMemory.deviceChunkBytes, budget / 8)
    rowsPerChunk = min(backend.usefulRows ?? 1024, max(StepMemory.leastChunk, chunk / vocabulary))
    let left = max(0, budget - 2 * rowsPerChunk * vocabulary)
    let (kept, again) = StepMemory.bytesPerRow(config, activations: backend.activations)
    checkpointsActivations = checkpoints ?? (kept * rows > left)
    mayCheckpoint = checkpoints == nil
    rowsPerPass = max(1, min(rows, left / (checkpointsActivations ? again : kept)))
  }

  /// Of a logit and its gradient, which is rounded where activations are.
  private static let logitBytes = 6

  /// Bytes of a pass with `rows` tokens to go through, in as many passes as that takes.
  public func bytes(_ config: LlamaConfig, rows: Int, on backend: any ComputeBackend) -> Int {
    let (kept, again) = StepMemory.bytesPerRow(config, activations: backend.activations)
    return min(rows, rowsPerPass) * (checkpointsActivations ? again : kept)
      + min(rows, rowsPerChunk) * StepMemory.logitBytes * config.vocabularySize
  }

  /// Bytes that a row of a batch keeps until its backward: with every layer's values, and with layers recomputed.
  public static func bytesPerRow(_ config: LlamaConfig, activations: DType) -> (kept: Int, recomputed: Int) {
    let (wide, stream) = (activations.block.bytes, 4 * config.hiddenSize)
    // Of a layer: two streams, two normed rows, queries, keys, values and heads, gate, up and their product.
    let layers = config.layers.map { layer in
      let heads = 2 * (layer.queryHeads + layer.keyHeads) * config.headDim
      return 2 * stream + wide * (2 * config.hiddenSize + heads + 3 * layer.intermediateSize)
    }
    // Backward of the layer at hand takes as much again as its values.
    let largest = layers.max() ?? 0
    return (layers.reduce(0, +) + largest + 4 * stream, layers.count * stream + 2 * largest + 4 * stream)
  }

  /// Less of everything, after memory ran out in a batch whose largest pass had `rows` tokens; nil when there is nothing left to give up.
  public func smaller(rows: Int, splits: Bool) -> StepMemory? {
    var less = self
    if mayCheckpoint, !checkpointsActivations {
      less.checkpointsActivations = true
    } else if splits {
      less.rowsPerPass = max(1, rows / 2)
    } else if rowsPerChunk > StepMemory.leastChunk {
      less.rowsPerChunk = max(StepMemory.leastChunk, rowsPerChunk / 2)
    } else {
      return nil
    }
    return less
  }

  /// "layers are recomputed, 1024 tokens a pass, 256 rows of logits"
  public var description: String {
    let passes = rowsPerPass == .max ? "whole batches" : "\(rowsPerPass) tokens a pass"
    return "\(checkpointsActivations ? "layers are recomputed" : "activations are kept"), \(passes), \(rowsPerChunk) rows of logits"
  }
}
