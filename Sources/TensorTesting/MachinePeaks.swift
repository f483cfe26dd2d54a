import TensorCore

/// The roofs a result is judged by, measured on the same machine in the same run.
public struct MachinePeaks: Sendable {
  /// Bytes a second of the best pass that mostly reads, far larger than the caches.
  public var read: Double
  /// Bytes a second, read and written together, of a copy.
  public var copy: Double
  /// Operations a second of the best f32 matrix product.
  public var sgemm: Double
  /// The same with bf16 operands, on a backend whose activations they are.
  public var bf16: Double?

  public init(read: Double, copy: Double, sgemm: Double) {
    self.read = read
    self.copy = copy
    self.sgemm = sgemm
  }

  /// The best of several passes through the backend's own ops; where the backend works on host memory, plain reads and copies by all
  /// processors count too, so that a slow op does not lower its own roof.
  public static func measured(on backend: any ComputeBackend, seconds: Double) throws(BackendError) -> MachinePeaks {
    let (rows, columns) = (8192, 8192)
    var peaks = MachinePeaks(read: 0, copy: 0, sgemm: 0)
    for item in [OpCatalogue.rowDots(rows / 2, columns), OpCatalogue.columnSums(rows, columns, beta: 0)] {
      peaks.read = max(peaks.read, Double(item.bytes) / (try best(item, on: backend, seconds)))
    }
    let pass = OpCatalogue.copy(rows / 2, columns, .f32, .f32)
    peaks.copy = Double(pass.bytes) / (try best(pass, on: backend, seconds))
    let sizes = backend.usefulRows == nil ? [1024, 2048] : [2048, 4096, 8192]
    for size in sizes {
      let product = OpCatalogue.matmul(size, size, size, .right)
      peaks.sgemm = max(peaks.sgemm, Double(product.flops) / (try best(product, on: backend, 2 * seconds)))
    }
    if backend.activations == .bf16 {
      for size in sizes {
        let product = OpCatalogue.matmul(size, size, size, .right, .bf16, a: .bf16, out: .bf16)
        peaks.bf16 = max(peaks.bf16 ?? 0, Double(product.flops) / (try best(product, on: backend, 2 * seconds)))
      }
    }
    if isOnHost(backend), let plain = HostMemoryPass(byteCount: 8 * rows * columns) {
      peaks.read = max(peaks.read, plain.readRate(seconds))
      peaks.copy = max(peaks.copy, plain.copyRate(seconds))
    }
    return peaks
  }

  /// The roof of products of activations.
  public var products: (flopsPerSecond: Double, name: String) { bf16.map { ($0, "bf16 gemm") } ?? (sgemm, "sgemm") }

  /// Seconds the work takes at the least, and which roof that is: "memory", "sgemm" or "bf16 gemm".
  /// `memory`: bytes a second, where they were measured beside the work itself.
  public func bound(bytes: Int, flops: Int, memory: Double? = nil) -> (seconds: Double, isMemory: Bool, roof: String) {
    let (memory, compute) = (Double(bytes) / (memory ?? max(read, copy)), Double(flops) / products.flopsPerSecond)
    return (max(memory, compute), memory >= compute, memory >= compute ? "memory" : products.name)
  }

  /// Takes a result for a peak where it is above the measured one. Only matrix products count as sgemm, since other cases count exponentials,
  /// and only data that fits in no cache counts as memory.
  mutating func raise(to row: OpBenchmarkReport.Row, beyondCaches size: Int) {
    if row.group == "Matmul", row.dtype == .f32, bf16 == nil { sgemm = max(sgemm, Double(row.flops) / row.best) }
    if row.group == "Matmul", let peak = bf16 { bf16 = max(peak, Double(row.flops) / row.best) }
    if row.bytes >= size { read = max(read, Double(row.bytes) / row.best) }
  }

  private static func isOnHost(_ backend: any ComputeBackend) -> Bool {
    var byte: UInt8 = 0
    return withUnsafeBytes(of: &byte) { backend.adopt($0) != nil }
  }

  private static func best(_ item: OpCase, on backend: any ComputeBackend, _ seconds: Double) throws(BackendError) -> Double {
    let run = try item.prepared(with: OpArguments(on: backend, seed: 1, fenced: false))
    try run()
    return try Stopwatch(seconds: seconds, on: backend).samples(run).min()!
  }
}

/// Times repetitions of one call until a bound of time is reached.
struct Stopwatch {
  let seconds: Double
  let backend: any ComputeBackend

  private static let fewest = 3
  private static let most = 2000

  init(seconds: Double, on backend: any ComputeBackend) {
    self.seconds = seconds
    self.backend = backend
  }

  /// Seconds of each repetition. `before` runs before each one, outside the timed region.
  func samples(
    _ run: OpCase.Run, before: () throws(BackendError) -> Void = { () throws(BackendError) in }
  ) throws(BackendError) -> [Double] {
    var samples: [Double] = []
    let start = ContinuousClock.now
    while samples.count < Stopwatch.fewest || (samples.count < Stopwatch.most && ContinuousClock.now - start < .seconds(seconds)) {
      try before()
      samples.append(try time(run))
    }
    return samples
  }

  /// Seconds of one call; waiting for the device is part of it.
  func time(_ run: OpCase.Run) throws(BackendError) -> Double {
    let begin = ContinuousClock.now
    try run()
    try backend.synchronize()
    let elapsed = (ContinuousClock.now - begin).components
    return max(Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18, 1e-9)
  }
}
