import TensorCore

extension CUDABackend {
  public func memory() -> (total: Int, free: Int) { queue.memory() }

  public func stores(_ dtype: DType) -> Bool {
    switch dtype {
    case .f32, .f16, .bf16, .i32, .q8_0, .q4_K: true
    }
  }

  public func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    try failure.rethrow()
    guard byteCount > 0 else { return DeviceAddress(bits: 0) }
    return DeviceAddress(bits: UInt(try queue.allocate(byteCount)))
  }

  /// In stream order: kernels that are queued already may still use the memory.
  public func deallocate(_ address: DeviceAddress, byteCount: Int) {
    guard address.bits != 0 else { return }
    deferring { () throws(BackendError) in try queue.free(UInt64(address.bits)) }
  }

  /// Kernels read host memory at a tenth of the speed of their own.
  public func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? { nil }

  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) {
    precondition(bytes.count == out.byteCount, "upload: \(bytes.count) bytes into \(out.shape) \(out.dtype.name)")
    try failure.rethrow()
    if bytes.count >= CUDABackend.modelBytes, !hasWarmedUp.exchange(true, ordering: .relaxed) { modules.warmUp(usedByModels) }
    try transfer.upload(bytes, to: out.pointer)
  }

  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    precondition(bytes.count == x.byteCount, "download: \(x.shape) \(x.dtype.name) into \(bytes.count) bytes")
    try failure.rethrow()
    try transfer.download(from: x.pointer, into: bytes)
  }

  public func synchronize() throws(BackendError) {
    try failure.rethrow()
    try queue.synchronize()
  }

  /// An upload of this size is a model's weights: its kernels are compiled while the rest of it is on the way.
  private static var modelBytes: Int { 8 << 20 }

  private var usedByModels: [KernelFile] {
    let everywhere: [KernelFile] = [.matmul, .attention, .divergence, .norm, .rope, .elementwise, .gate, .rows, .copy, .loss]
    return device.isHopper ? [.matmul_sm90a, .divergence_sm90a] + everywhere : everywhere
  }
}
