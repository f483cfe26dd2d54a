import TensorCore

extension CPUBackend {
  public func memory() -> (total: Int, free: Int) { preconditionFailure("not written yet") }
  public func stores(_ dtype: DType) -> Bool { preconditionFailure("not written yet") }
  public func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress { preconditionFailure("not written yet") }
  public func deallocate(_ address: DeviceAddress, byteCount: Int) { preconditionFailure("not written yet") }
  public func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? { preconditionFailure("not written yet") }
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) { preconditionFailure("not written yet") }
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) { preconditionFailure("not written yet") }
  public func synchronize() throws(BackendError) { preconditionFailure("not written yet") }
}
