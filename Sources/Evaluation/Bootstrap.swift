import Dispatch
import TensorCore

/// How a figure comes out in other samples: items are drawn anew with replacement, as many as there are (Efron 1979). What belongs together,
/// such as two models' answers to one question, is one item and is drawn together.
public enum Bootstrap {
  /// Ends of the 95 % interval.
  public static let (lower, upper) = (0.025, 0.975)

  /// A figure of Σ items in each resample: the same for the same seed, on however many cores.
  public static func resamples(
    of items: [SIMD4<Double>], count: Int, seed: UInt64, figure: @Sendable (SIMD4<Double>) -> Double
  ) -> [Double] {
    var figures = [Double](repeating: 0, count: count)
    figures.withUnsafeMutableBufferPointer { figures in
      items.withUnsafeBufferPointer { items in
        nonisolated(unsafe) let (out, items) = (figures, items)
        let share = 100
        DispatchQueue.concurrentPerform(iterations: (count + share - 1) / share) { task in
          for draw in task * share..<min((task + 1) * share, count) {
            var random = SplitMix64(seed: SplitMix64.seed(seed, for: UInt64(draw)))
            var sum = SIMD4<Double>.zero
            // 32 bits choose an item: the bias of 2⁻³² times their number is far below what a draw can show.
            for _ in items { sum += items[Int(((random.next() >> 32) &* UInt64(items.count)) >> 32)] }
            out[draw] = figure(sum)
          }
        }
      }
    }
    return figures
  }

  /// 95 %, percentiles: the least values that are reached with their probabilities. nil where a resample is not a number, or is the only one.
  public static func interval(of resamples: [Double]) -> ClosedRange<Double>? {
    guard resamples.count > 1, resamples.allSatisfy(\.isFinite) else { return nil }
    let sorted = resamples.sorted()
    func quantile(_ probability: Double) -> Double {
      sorted[max(0, min(sorted.count, Int((probability * Double(sorted.count)).rounded(.up))) - 1)]
    }
    return quantile(lower)...quantile(upper)
  }
}
