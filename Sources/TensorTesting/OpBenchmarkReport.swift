import JSON
import TensorCore

/// Results of `OpBenchmark`, as a table for people and JSON for programs.
public struct OpBenchmarkReport: Sendable {
  public struct Row: Sendable {
    public let name: String
    public let group: String
    public let shapes: String
    public let dtype: DType
    public let backend: String
    /// Median time of one call.
    public let seconds: Double
    /// Time of the fastest call: tells a noisy machine from a slow op.
    public let best: Double
    public let repetitions: Int
    public let bytes: Int
    public let flops: Int
    /// Bytes a second that plain reading reached between the repetitions; nil where memory is not the roof.
    public let readBetween: Double?
    /// Against the reference, as a normalised mean square, at a size the reference can do; nil where there is none.
    public internal(set) var error: Double?
    /// "memory", "sgemm" or "bf16 gemm": which of the machine's peaks this case cannot pass.
    public private(set) var roof = ""
    /// Least possible time by that peak, over the measured time: 1 is the roof.
    public private(set) var share = 0.0

    init(
      name: String, group: String, shapes: String, dtype: DType, backend: String, seconds: Double, best: Double, repetitions: Int,
      bytes: Int,
      flops: Int, readBetween: Double?
    ) {
      (self.name, self.group, self.shapes, self.dtype, self.backend) = (name, group, shapes, dtype, backend)
      (self.seconds, self.best, self.repetitions) = (seconds, best, repetitions)
      (self.bytes, self.flops, self.readBetween) = (bytes, flops, readBetween)
    }

    mutating func judge(by peaks: MachinePeaks) {
      let bound = peaks.bound(bytes: bytes, flops: flops, memory: readBetween)
      (roof, share) = (bound.roof, bound.seconds / seconds)
    }

    public var bytesPerSecond: Double { Double(bytes) / seconds }
    public var flopsPerSecond: Double { Double(flops) / seconds }
  }

  public let machine: String
  public internal(set) var peaks: [(backend: String, peaks: MachinePeaks)] = []
  public internal(set) var rows: [Row] = []

  init(machine: String) { self.machine = machine }

  /// A Markdown table, aligned, under a line for the machine and one for each backend's peaks.
  public func table() -> String {
    var text = "\(machine)\n"
    for (backend, peaks) in peaks {
      text += "\(backend): reads \(fixed(peaks.read * 1e-9, 1)) GB/s, copies \(fixed(peaks.copy * 1e-9, 1)) GB/s, "
      text += "sgemm \(fixed(peaks.sgemm * 1e-9, 1)) GFLOP/s"
      text += peaks.bf16.map { ", bf16 gemm \(fixed($0 * 1e-12, 1)) TFLOP/s" } ?? ""
      text += "\n"
    }
    let header = ["op", "type", "shape", "backend", "median", "best", "GB/s", "FLOP/s", "of roof", "error"]
    let lines = rows.map { row in
      [
        row.name, row.dtype.name, row.shapes, row.backend, duration(row.seconds), duration(row.best), fixed(row.bytesPerSecond * 1e-9, 2),
        row.flops == 0 ? "-" : rate(row.flopsPerSecond), "\(fixed(row.share * 100, 0)) % \(row.roof)",
        row.error.map(\.scientific) ?? "-",
      ]
    }
    let widths = header.indices.map { column in ([header] + lines).map { $0[column].count }.max()! }
    func line(_ cells: [String]) -> String {
      "| " + zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ") + " |\n"
    }
    text += "\n" + line(header) + "|" + widths.map { String(repeating: "-", count: $0 + 2) + "|" }.joined() + "\n"
    return lines.reduce(text) { $0 + line($1) }
  }

  /// {"format": "hoof-op-benchmark", "version": 1, "machine", "peaks": [...], "rows": [...]}; rates are per second, times in nanoseconds.
  public func json() -> JSON {
    [
      "format": "hoof-op-benchmark", "version": 1, "machine": .string(machine),
      "peaks": .array(
        peaks.map { backend, peaks in
          [
            "backend": .string(backend), "read_bytes_per_second": .double(peaks.read.rounded()),
            "copy_bytes_per_second": .double(peaks.copy.rounded()), "sgemm_flops_per_second": .double(peaks.sgemm.rounded()),
            "bf16_flops_per_second": peaks.bf16.map { .double($0.rounded()) } ?? nil,
          ]
        }),
      "rows": .array(
        rows.map { row in
          [
            "op": .string(row.name), "group": .string(row.group), "dtype": .string(row.dtype.name), "shape": .string(row.shapes),
            "backend": .string(row.backend), "median_ns": .int(Int((row.seconds * 1e9).rounded())),
            "best_ns": .int(Int((row.best * 1e9).rounded())), "repetitions": .int(row.repetitions),
            "bytes": .int(row.bytes), "read_between_bytes_per_second": row.readBetween.map { .double($0.rounded()) } ?? nil,
            "flops": .int(row.flops), "gb_per_second": .double(row.bytesPerSecond * 1e-9),
            "gflop_per_second": .double(row.flopsPerSecond * 1e-9), "roof": .string(row.roof), "share_of_roof": .double(row.share),
            "error": row.error.map { .double($0) } ?? nil,
          ]
        }),
    ]
  }

  /// "425.31 G", "712.40 T"
  private func rate(_ perSecond: Double) -> String {
    perSecond < 1e12 ? fixed(perSecond * 1e-9, 2) + " G" : fixed(perSecond * 1e-12, 2) + " T"
  }

  private func duration(_ seconds: Double) -> String {
    seconds < 1e-3 ? fixed(seconds * 1e6, 1) + " µs" : seconds < 1 ? fixed(seconds * 1e3, 2) + " ms" : fixed(seconds, 2) + " s"
  }

  private func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let units = Int((value * Double(scale)).rounded())
    let fraction = String(units % scale + scale).dropFirst()
    return digits == 0 ? "\(units)" : "\(units / scale).\(fraction)"
  }
}

extension Double {
  /// Two digits and an exponent, as errors are read: "2.8e-15".
  package var scientific: String {
    guard isFinite, self > 0 else { return self == 0 ? "0" : "\(self)" }
    var (value, exponent) = (self, 0)
    while value < 1 { (value, exponent) = (value * 10, exponent - 1) }
    while value >= 9.95 { (value, exponent) = (value / 10, exponent + 1) }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)e\(exponent)"
  }
}
