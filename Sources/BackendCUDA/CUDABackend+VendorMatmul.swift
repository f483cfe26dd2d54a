import CKernels
import Glibc
import Synchronization
import TensorCore

/// Whether cuBLAS is at hand, and for which shapes it beats our own kernels: found out once a shape, by running both.
final class VendorMatmul: Sendable {
  enum Availability: Sendable {
    case ready(CuBLAS)
    case absent(reason: String)
  }

  /// Dimensions in steps of a quarter power of two: packed batches differ by a few rows all the time.
  struct Shape: Hashable, Sendable {
    let transpose: Transpose
    let m, n, k: Int
    let a, b, out: CuBLAS.Element
    let accumulates: Bool

    init(_ transpose: Transpose, m: Int, n: Int, k: Int, a: CuBLAS.Element, b: CuBLAS.Element, out: CuBLAS.Element, accumulates: Bool) {
      self.transpose = transpose
      (self.m, self.n, self.k) = (Shape.step(m), Shape.step(n), Shape.step(k))
      (self.a, self.b, self.out, self.accumulates) = (a, b, out, accumulates)
    }

    static func step(_ size: Int) -> Int {
      guard size > 4 else { return size }
      let unit = 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount - 2)
      return (size + unit / 2) / unit * unit
    }
  }

  let mode: VendorBLAS
  private let queue: CUDAQueue
  private let open: @Sendable (CUDAQueue) throws(BackendError) -> CuBLAS
  /// Found out at the first product: opening the library takes longer than opening the device.
  private let found = Mutex<Availability?>(nil)
  /// Whether cuBLAS is faster.
  private let decisions = Mutex<[Shape: Bool]>([:])

  /// Products smaller than this are over before a comparison would pay.
  static let comparedOperations = 1 << 27
  private static let repetitions = 3

  /// Throws when cuBLAS must be used and cannot.
  init(
    _ mode: VendorBLAS, _ queue: CUDAQueue, open: @escaping @Sendable (CUDAQueue) throws(BackendError) -> CuBLAS
  ) throws(BackendError) {
    self.mode = mode
    self.queue = queue
    self.open = open
    guard mode == .on, case .absent(let reason) = availability else { return }
    throw .unavailable(reason: "cuBLAS was asked for (--cublas on), but \(reason)")
  }

  var availability: Availability {
    found.withLock { found in
      if let found { return found }
      let answer = look()
      found = answer
      return answer
    }
  }

  private func look() -> Availability {
    guard mode != .off else { return .absent(reason: "it is switched off") }
    do throws(BackendError) {
      return .ready(try open(queue))
    } catch {
      return .absent(reason: error.description)
    }
  }

  /// The remembered answer, or that of `compare`, which is nil when the two could not be compared. Such a shape stays ours: asking again
  /// at each product would empty the memory pool each time, which costs more than either library can win.
  func isFaster(_ shape: Shape, compare: () -> Bool?) -> Bool {
    if let known = decisions.withLock({ $0[shape] }) { return known }
    let faster = compare() ?? false
    decisions.withLock { $0[shape] = faster }
    return faster
  }

  /// Milliseconds of the fastest of a few runs, the first not counted.
  static func time(on queue: CUDAQueue, _ run: () throws(BackendError) -> Void) throws(BackendError) -> Float {
    let driver = queue.driver
    var start: hoof_cu_event?, end: hoof_cu_event?
    try driver.check(driver.call.cuEventCreate(&start, UInt32(HOOF_CU_EVENT_DEFAULT)), "cuEventCreate")
    defer { _ = driver.call.cuEventDestroy_v2(start) }
    try driver.check(driver.call.cuEventCreate(&end, UInt32(HOOF_CU_EVENT_DEFAULT)), "cuEventCreate")
    defer { _ = driver.call.cuEventDestroy_v2(end) }
    try run()
    var best = Float.infinity
    for _ in 0..<repetitions {
      try driver.check(driver.call.cuEventRecord(start, queue.stream), "cuEventRecord")
      try run()
      try driver.check(driver.call.cuEventRecord(end, queue.stream), "cuEventRecord")
      try driver.check(driver.call.cuEventSynchronize(end), "cuEventSynchronize")
      var milliseconds: Float = 0
      try driver.check(driver.call.cuEventElapsedTime(&milliseconds, start, end), "cuEventElapsedTime")
      best = min(best, milliseconds)
    }
    return best
  }
}

extension CUDABackend {
  /// Gives a matrix product to cuBLAS where that is asked for or faster, and says whether it did. For `matmul`, before its own launches:
  ///
  ///     if vendorMatmul(a, b, transpose: transpose, beta: beta, into: out, ours: { ownMatmul(a, b, transpose, beta, into: $0) }) { return }
  ///
  /// `ours` queues our own kernel with the result in the tensor it is given; it is called only to compare the two.
  func vendorMatmul(
    _ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor, ours: (Tensor) -> Void
  ) -> Bool {
    guard vendor.mode != .off, !failure.isSet, out.shape.count > 0,
      let aType = CuBLAS.Element(a.dtype), let bType = CuBLAS.Element(b.dtype), let outType = CuBLAS.Element(out.dtype), aType == bType,
      aType == .bf16 || outType == .f32
    else { return false }
    let (m, n, k) = (out.rows, out.columns, transpose == .left ? a.rows : a.columns)
    guard k > 0, max(m, n, k) <= Int(Int32.max), vendor.mode == .on || m * n * k >= VendorMatmul.comparedOperations,
      case .ready(let blas) = vendor.availability
    else { return false }
    func theirs(_ target: UInt64) throws(BackendError) {
      try blas.gemm(
        transpose, m: m, n: n, k: k, a: a.pointer, aType, b: b.pointer, bType, beta: beta, out: target, outType,
        allowsTF32: precision != .f32)
    }
    if vendor.mode == .auto {
      let shape = VendorMatmul.Shape(transpose, m: m, n: n, k: k, a: aType, b: bType, out: outType, accumulates: beta != 0)
      let isFaster = vendor.isFaster(shape) {
        // Whatever goes wrong here (most likely: no memory for a second result) leaves the product to our own kernel.
        guard let address = try? queue.allocate(out.byteCount) else { return nil }
        defer { try? queue.free(address) }
        clear(address, byteCount: out.byteCount)
        let storage = Storage(borrowing: DeviceAddress(bits: UInt(address)), byteCount: out.byteCount, from: self, on: out.backend)
        let target = Tensor(storage: storage, dtype: out.dtype, shape: out.shape)
        guard let vendors = try? VendorMatmul.time(on: queue, { () throws(BackendError) in try theirs(address) }),
          let own = try? VendorMatmul.time(on: queue, { ours(target) }), !failure.isSet
        else { return nil }
        return vendors < own
      }
      guard isFaster else { return false }
    }
    deferring { () throws(BackendError) in try theirs(out.pointer) }
    return true
  }
}
