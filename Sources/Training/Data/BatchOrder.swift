import Synchronization
import TensorCore

/// Which examples each step sees: a pure function of seed and step, so that a resumed run goes on with the very same batches.
///
/// The examples lie in one endless row, epoch behind epoch, each a new permutation; batches are cut from that row one after another. A batch
/// at the end of an epoch therefore goes on with the next one's first examples, no batch is smaller than the others, and no example comes
/// twice in an epoch.
public struct BatchOrder: Sendable {
  /// What fills a batch.
  public enum Size: Sendable, Equatable {
    case examples(Int)
    /// As many of the next examples as fit into so many rows; one that is larger is a batch of its own.
    case tokens(Int)
  }

  public let examples: [TrainingExample]
  public let size: Size
  /// Batches of one step.
  public let accumulation: Int
  public let seed: UInt64
  private let starts = BatchStarts()

  public init(_ examples: [TrainingExample], size: Size, accumulation: Int, seed: UInt64) {
    switch size {
    case .examples(let count), .tokens(let count): precondition(count > 0 && accumulation > 0 && !examples.isEmpty, "batches of \(size)")
    }
    (self.examples, self.size, self.accumulation, self.seed) = (examples, size, accumulation, seed)
  }

  public init(_ examples: [TrainingExample], batch: Int, accumulation: Int, seed: UInt64) {
    self.init(examples, size: .examples(batch), accumulation: accumulation, seed: seed)
  }

  /// The batches of a step, `accumulation` of them. Steps count from 1.
  public func batches(step: Int) -> [TrainingBatch] {
    precondition(step > 0, "steps count from 1")
    let first = (step - 1) * accumulation
    return (first..<first + accumulation).map { index in
      TrainingBatch((start(ofBatch: index)..<start(ofBatch: index + 1)).map { examples[example(at: $0)] })
    }
  }

  /// How often the examples were seen when `step` steps are done; step 0 is the beginning.
  public func epochs(after step: Int) -> Double { Double(start(ofBatch: step * accumulation)) / Double(examples.count) }

  /// Steps until every example was seen `epochs` times.
  public func steps(epochs: Int) -> Int {
    var step = 0
    switch size {
    case .examples(let count): step = (epochs * examples.count - 1) / (count * accumulation)
    case .tokens: while start(ofBatch: (step + 1) * accumulation) < epochs * examples.count { step += 1 }
    }
    return step + 1
  }

  /// The index of the example at a place of the endless row.
  private func example(at place: Int) -> Int {
    let (epoch, place) = place.quotientAndRemainder(dividingBy: examples.count)
    return ShuffledOrder(count: examples.count, seed: SplitMix64.seed(seed, for: UInt64(epoch)))[place]
  }

  private func start(ofBatch index: Int) -> Int {
    switch size {
    case .examples(let count): index * count
    case .tokens(let limit):
      starts.start(ofBatch: index) { start in
        var (end, rows) = (start, 0)
        while end == start || rows + examples[example(at: end)].rows <= limit {
          rows += examples[example(at: end)].rows
          end += 1
        }
        return end
      }
    }
  }
}

/// Where batches of varying size begin. Each depends on all before it; what was found is kept.
private final class BatchStarts: Sendable {
  private let known = Mutex([0])

  func start(ofBatch index: Int, next: (_ start: Int) -> Int) -> Int {
    known.withLock { known in
      while known.count <= index { known.append(next(known[known.count - 1])) }
      return known[index]
    }
  }
}
