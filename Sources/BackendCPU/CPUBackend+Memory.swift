import Glibc
import TensorCore

extension CPUBackend {
  public func memory() -> (total: Int, free: Int) {
    let system = SystemMemory.read()
    return (system.total, system.free + pool.usage.kept)
  }

  public func stores(_ dtype: DType) -> Bool {
    switch dtype {
    case .f32, .f16, .bf16, .i32, .q8_0, .q4_K: true
    }
  }

  public func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    // Linux promises memory it does not have and kills the process that believes it, so large requests are checked here.
    if byteCount >= CPUBackend.checkedBytes, !pool.holds(byteCount) {
      var system = SystemMemory.read()
      if byteCount > system.free {
        pool.drain()
        system = SystemMemory.read()
      }
      let usage = pool.usage
      // Blocks handed out but not yet written to still count as free to the kernel.
      let free = min(system.free, system.total - usage.live)
      if byteCount > free { throw .outOfMemory(requested: byteCount, free: max(0, free)) }
    }
    if let block = pool.take(byteCount) { return DeviceAddress(bits: UInt(bitPattern: block)) }
    pool.drain()
    guard let block = pool.take(byteCount) else { throw .outOfMemory(requested: byteCount, free: memory().free) }
    return DeviceAddress(bits: UInt(bitPattern: block))
  }

  public func deallocate(_ address: DeviceAddress, byteCount: Int) {
    guard let block = UnsafeMutableRawPointer(bitPattern: address.bits) else { return }
    pool.give(block, byteCount: byteCount)
  }

  public func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? {
    guard let base = bytes.baseAddress, UInt(bitPattern: base) % UInt(MemoryPool.alignment) == 0 else { return nil }
    return DeviceAddress(bits: UInt(bitPattern: base))
  }

  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) {
    precondition(bytes.count == out.byteCount, "upload: \(bytes.count) bytes into \(out.shape) \(out.dtype.name)")
    if let source = bytes.baseAddress, bytes.count > 0 { memcpy(out.raw, source, bytes.count) }
  }

  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    precondition(bytes.count == x.byteCount, "download: \(x.shape) \(x.dtype.name) into \(bytes.count) bytes")
    if let target = bytes.baseAddress, bytes.count > 0 { memcpy(target, x.raw, bytes.count) }
  }

  /// Ops are done when they return.
  public func synchronize() throws(BackendError) {}

  private static var checkedBytes: Int { 16 << 20 }
}

/// Where a tensor's values lie; meaningful only for tensors of this backend.
extension Tensor {
  var raw: UnsafeMutableRawPointer {
    guard let pointer = UnsafeMutableRawPointer(bitPattern: address.bits) else { preconditionFailure("tensor \(shape): no memory") }
    return pointer
  }
  var f32: UnsafeMutablePointer<Float> { raw.assumingMemoryBound(to: Float.self) }
  var i32: UnsafeMutablePointer<Int32> { raw.assumingMemoryBound(to: Int32.self) }
}
