/// Moving values between host arrays and tensors.
extension Tensor {
  public init(_ values: [Float], rows: Int, columns: Int, on backend: any ComputeBackend) throws(BackendError) {
    precondition(values.count == rows * columns, "tensor: \(values.count) values for [\(rows), \(columns)]")
    try self.init(rows, columns, .f32, on: backend)
    try upload(values)
  }

  /// A column of ids, positions or offsets: `[count, 1]` i32.
  public init(_ values: [Int32], on backend: any ComputeBackend) throws(BackendError) {
    try self.init(values.count, 1, .i32, on: backend)
    try upload(values)
  }

  public func upload<Element: BitwiseCopyable>(_ values: [Element]) throws(BackendError) {
    precondition(values.count * MemoryLayout<Element>.stride == byteCount, "upload: \(values.count) values into \(shape) \(dtype.name)")
    try values.withUnsafeBytes { bytes in
      Result { () throws(BackendError) in try backend.upload(bytes, into: self) }
    }.get()
  }

  /// The contents as 32-bit floats; f16, bf16 and quantised tensors are converted on the device first.
  public func floats() throws(BackendError) -> [Float] {
    let source = dtype == .f32 ? self : try copied(as: .f32)
    return try source.downloaded(as: Float.self, zero: 0)
  }

  public func ints() throws(BackendError) -> [Int32] {
    precondition(dtype == .i32, "ints: tensor is \(dtype.name)")
    return try downloaded(as: Int32.self, zero: 0)
  }

  /// The raw bytes, blocks and all.
  public func bytes() throws(BackendError) -> [UInt8] { try downloaded(as: UInt8.self, zero: 0) }

  private func downloaded<Element: BitwiseCopyable>(as: Element.Type, zero: Element) throws(BackendError) -> [Element] {
    var values = [Element](repeating: zero, count: byteCount / MemoryLayout<Element>.stride)
    try values.withUnsafeMutableBytes { bytes in
      Result { () throws(BackendError) in try backend.download(self, into: bytes) }
    }.get()
    return values
  }
}
