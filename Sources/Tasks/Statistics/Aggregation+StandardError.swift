import Dispatch
import Glibc

extension Aggregation {
  /// Resamples that lm-evaluation-harness draws unless told otherwise.
  public static let harnessDraws = 100_000

  /// The standard error of `value` as lm-evaluation-harness computes it: sd / √n with the sample's standard deviation (n - 1) for a mean; for
  /// a perplexity the standard deviation over bootstrap resamples (Efron 1979), in chunks of 1,000 drawn by `random.Random(0)`,
  /// `random.Random(1)` and so on.
  ///
  /// - Parameters:
  ///   - draws: resamples in all; those beyond the last full 1,000 are not drawn (the harness' rule). 0: no standard errors at all
  ///   - progress: called between pieces of the bootstrap with the share that is done; what it throws ends the computation
  /// - Returns: nil where the harness gives none ("N/A"): weighted aggregations, a single question
  public func standardError<Failure: Error>(
    of items: [Double], draws: Int = Aggregation.harnessDraws, progress: (Double) throws(Failure) -> Void
  ) throws(Failure) -> Double? {
    guard items.count > 1, draws > 0 else { return nil }
    switch self {
    case .mean: return Aggregation.sampleDeviation(items) / Double(items.count).squareRoot()
    case .perplexity: return Aggregation.sampleDeviation(try resampledPerplexities(of: items, draws: draws, progress: progress))
    case .weightedPerplexity, .bitsPerByte: return nil
    }
  }

  public func standardError(of items: [Double], draws: Int = Aggregation.harnessDraws) -> Double? {
    standardError(of: items, draws: draws, progress: { _ in })
  }

  /// With n - 1; NaN for fewer than two.
  static func sampleDeviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
  }

  private func resampledPerplexities<Failure: Error>(
    of items: [Double], draws: Int, progress: (Double) throws(Failure) -> Void
  ) throws(Failure) -> [Double] {
    let size = min(1000, draws)
    let chunks = draws / size
    var values = [Double](repeating: 0, count: chunks * size)
    // A wave is a chunk for each processor; between waves the caller may look at its clock or end the work.
    let wave = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    for first in stride(from: 0, to: chunks, by: wave) {
      try progress(Double(first) / Double(chunks))
      values.withUnsafeMutableBufferPointer { values in
        items.withUnsafeBufferPointer { items in
          nonisolated(unsafe) let (out, items) = (values.baseAddress!, items)
          DispatchQueue.concurrentPerform(iterations: min(wave, chunks - first)) { task in
            var random = PythonRandom(seed: UInt32(first + task))
            let start = out + (first + task) * size
            for draw in 0..<size { start[draw] = value(sum: random.resampledSum(of: items), weight: Double(items.count)) }
          }
        }
      }
    }
    return values
  }
}
