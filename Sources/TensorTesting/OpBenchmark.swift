import Glibc
import TensorCore

/// Times ops, not models: what `hoof bench --ops` runs.
///
///     let report = try OpBenchmark(matching: "matmul").report(on: [cpu, cuda]) { line in /* progress, to stderr */ }
///     print(report.table())            // or report.json().text(pretty: true)
///
/// Each case is warmed up once and then repeated until `secondsPerCase` is spent; the median counts. The wait for the device lies inside the
/// timed region. Before each repetition of a case whose roof is memory, the caches are filled by reading something else; what memory gave
/// there is the roof of the case, because memory's speed changes by the minute on a machine shared with others.
public struct OpBenchmark: Sendable {
  public var cases: [OpCase]
  /// What runs in their place on a backend with bf16 activations.
  public var mixedCases: [OpCase]
  /// Bound of time for the repetitions of one case; the making of its inputs comes on top.
  public var secondsPerCase: Double

  /// `matching` keeps the cases whose description ("matmul right q8_0 [1, 4096]·[4096, 4096]ᵀ") contains every word of it.
  public init(
    _ cases: [OpCase] = OpCatalogue.benchmark, mixed: [OpCase] = OpCatalogue.mixedBenchmark, matching: String = "",
    secondsPerCase: Double = 0.3
  ) {
    func chosen(_ cases: [OpCase]) -> [OpCase] { cases.filter { OpBenchmark.matches("\($0.group) \($0)", matching) } }
    self.cases = chosen(cases)
    mixedCases = chosen(mixed)
    self.secondsPerCase = secondsPerCase
  }

  /// Whether a description contains every word of a filter, in any order and case.
  public static func matches(_ description: String, _ filter: String) -> Bool {
    let text = description.lowercased()
    return filter.split(separator: " ").allSatisfy { text.contains($0.lowercased()) }
  }

  public func cases(for backend: any ComputeBackend) -> [OpCase] { backend.activations == .bf16 ? mixedCases : cases }

  /// Seconds of each of several calls, the wait for the device included, until `seconds` are spent.
  public static func samples(
    seconds: Double, on backend: any ComputeBackend, _ run: OpCase.Run
  ) throws(BackendError) -> [Double] { try Stopwatch(seconds: seconds, on: backend).samples(run) }

  /// Seconds of one call, the wait for the device included.
  public static func seconds(on backend: any ComputeBackend, _ run: OpCase.Run) throws(BackendError) -> Double {
    try Stopwatch(seconds: 0, on: backend).time(run)
  }

  /// Measures the machine's peaks through each backend, then every case on it. Cases that do not fit in the device's free memory are left out.
  /// - Parameters:
  ///   - progress: called before each step: once for the peaks of a backend, once for each case on it.
  ///   - isWanted: asked before each case; after a no, the rest is left out.
  public func report(
    on backends: [any ComputeBackend], progress: (String) -> Void = { _ in }, while isWanted: () -> Bool = { true }
  ) throws(BackendError) -> OpBenchmarkReport {
    var report = OpBenchmarkReport(machine: OpBenchmark.processor)
    for backend in backends where isWanted() && !cases(for: backend).isEmpty {
      progress("\(backend.name): measuring the machine's peaks")
      var peaks = try MachinePeaks.measured(on: backend, seconds: secondsPerCase)
      var rows = try rows(on: backend, peaks: peaks, progress: progress, while: isWanted)
      // The machine may have been busy when its peaks were measured: what a case reached, the machine can do.
      for row in rows { peaks.raise(to: row, beyondCaches: OpBenchmark.flushBytes) }
      for index in rows.indices { rows[index].judge(by: peaks) }
      report.peaks.append((backend.name, peaks))
      report.rows += rows
    }
    return report
  }

  /// The cases on one backend, against peaks already measured.
  public func rows(
    on backend: any ComputeBackend, peaks: MachinePeaks, progress: (String) -> Void = { _ in }, while isWanted: () -> Bool = { true }
  ) throws(BackendError) -> [OpBenchmarkReport.Row] {
    // Read, not written: changed lines left in the caches would have to go back to memory while the case runs.
    let flush = try Tensor(OpBenchmark.flushRows, OpBenchmark.flushBytes / 4 / OpBenchmark.flushRows, on: backend)
    let sums = try Tensor(OpBenchmark.flushRows, 1, on: backend)
    backend.fill(flush, with: 1)
    var rows: [OpBenchmarkReport.Row] = []
    let cases = cases(for: backend)
    var errors = OpErrors(on: backend)
    for (index, item) in cases.enumerated() where isWanted() {
      progress("\(backend.name): \(index + 1)/\(cases.count) \(item)")
      guard item.bytes < backend.memory().free / 2 else { continue }
      let run = try item.prepared(with: OpArguments(on: backend, seed: 1, fenced: false))
      try run()
      try backend.synchronize()
      let bound = peaks.bound(bytes: item.bytes, flops: item.flops)
      var passes: [Double] = []
      let stopwatch = Stopwatch(seconds: secondsPerCase, on: backend)
      let flushing = Stopwatch(seconds: 0, on: backend)
      let samples = try stopwatch.samples(
        run,
        before: { () throws(BackendError) in
          guard bound.isMemory else { return }
          passes.append(try flushing.time { backend.rowDots(flush, flush, into: sums) })
        }
      ).sorted()
      var row = OpBenchmarkReport.Row(
        name: item.name, group: item.group, shapes: item.shapes, dtype: item.dtype, backend: backend.name,
        seconds: samples[samples.count / 2], best: samples[0], repetitions: samples.count, bytes: item.bytes, flops: item.flops,
        readBetween: passes.isEmpty ? nil : Double(flush.byteCount) / passes.sorted()[passes.count / 2])
      row.judge(by: peaks)
      row.error = try errors.error(of: item)
      rows.append(row)
    }
    return rows
  }

  private static let flushRows = 1024
  /// Twice the last-level cache, within reason where the system does not tell its size or tells that of a whole shared server.
  private static let flushBytes = min(max(2 * Int(sysconf(Int32(_SC_LEVEL3_CACHE_SIZE))), 128 << 20), 512 << 20)

  /// "AMD EPYC 7B13, 2 processors"
  private static var processor: String {
    let count = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    var model = "unknown processor"
    if let file = fopen("/proc/cpuinfo", "r") {
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 512)
      while fgets(&line, Int32(line.count), file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") else { continue }
        model = text[text.index(after: colon)...].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        break
      }
    }
    return "\(model), \(count) processor\(count == 1 ? "" : "s")"
  }
}
