import TensorCore

/// Converts rows of one tensor to another type through buffers that are kept from call to call. One per thread.
struct RowConverter: ~Copyable {
  private var floats = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 64)
  private var encoded = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 64)

  init() {}

  deinit {
    floats.deallocate()
    encoded.deallocate()
  }

  /// Gives the converted bytes of `rows` to `use`, lets go of the source's pages, and returns the CRC-32C of those bytes.
  mutating func convert(
    _ item: ModelImport.Item, rows: Range<Int>, use: (UnsafeRawBufferPointer) throws(FormatError) -> Void
  ) throws(FormatError) -> UInt32 {
    let tensor = item.source
    let range = rows.lowerBound * tensor.rowBytes..<rows.upperBound * tensor.rowBytes
    let source = UnsafeRawBufferPointer(rebasing: tensor.bytes[range])
    defer { tensor.file.release(tensor.range.lowerBound + range.lowerBound..<tensor.range.lowerBound + range.upperBound) }
    guard RowCodec.isFinite(source, tensor.dtype) else { throw FormatError(tensor.file.path, tensor.name, "holds NaN or infinite values") }
    let bytes = tensor.dtype == item.dtype ? source : encode(source, item: item, rowCount: rows.count)
    guard tensor.dtype == item.dtype || RowCodec.isFinite(bytes, item.dtype) else {
      throw FormatError(tensor.file.path, tensor.name, "holds values too large for \(item.dtype.name); bf16 and f32 hold them")
    }
    try use(bytes)
    return CRC32C.sum(bytes)
  }

  private mutating func encode(_ source: UnsafeRawBufferPointer, item: ModelImport.Item, rowCount: Int) -> UnsafeRawBufferPointer {
    let (from, to, columns) = (item.source.dtype, item.dtype, item.shape.columns)
    let (sourceBytes, targetBytes) = (from.rowBytes(columns: columns), to.rowBytes(columns: columns))
    RowConverter.grow(&floats, to: columns * 4)
    RowConverter.grow(&encoded, to: targetBytes * rowCount)
    let row = floats.bindMemory(to: Float.self).baseAddress!
    for index in 0..<rowCount {
      RowCodec.decode(source.baseAddress! + index * sourceBytes, from, columns: columns, into: row)
      RowCodec.encode(row, to, columns: columns, into: encoded.baseAddress! + index * targetBytes)
    }
    return UnsafeRawBufferPointer(rebasing: encoded[..<(targetBytes * rowCount)])
  }

  private static func grow(_ buffer: inout UnsafeMutableRawBufferPointer, to byteCount: Int) {
    guard buffer.count < byteCount else { return }
    buffer.deallocate()
    buffer = .allocate(byteCount: byteCount, alignment: 64)
  }
}
