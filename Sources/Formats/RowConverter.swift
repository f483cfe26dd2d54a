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
    // Rows that are left out between two that stay are read and checked too: NaN means a damaged file wherever it stands.
    let span = item.rows.map { $0[rows.lowerBound]..<$0[rows.upperBound - 1] + 1 } ?? rows
    let range = span.lowerBound * tensor.rowBytes..<span.upperBound * tensor.rowBytes
    let source = UnsafeRawBufferPointer(rebasing: tensor.bytes[range])
    defer { tensor.file.release(tensor.range.lowerBound + range.lowerBound..<tensor.range.lowerBound + range.upperBound) }
    guard RowCodec.isFinite(source, tensor.dtype) else { throw FormatError(tensor.file.path, tensor.name, "holds NaN or infinite values") }
    let isCopy = tensor.dtype == item.dtype && item.columns == nil
    let bytes = isCopy && item.rows == nil ? source : gather(source, item: item, rows: rows, spanStart: span.lowerBound, isCopy: isCopy)
    guard isCopy || RowCodec.isFinite(bytes, item.dtype) else {
      throw FormatError(tensor.file.path, tensor.name, "holds values too large for \(item.dtype.name); bf16 and f32 hold them")
    }
    try use(bytes)
    return CRC32C.sum(bytes)
  }

  private mutating func gather(_ source: UnsafeRawBufferPointer, item: ModelImport.Item, rows: Range<Int>, spanStart: Int, isCopy: Bool)
    -> UnsafeRawBufferPointer
  {
    let (from, to, columns) = (item.source.dtype, item.dtype, item.shape.columns)
    let (sourceBytes, targetBytes) = (item.source.rowBytes, to.rowBytes(columns: columns))
    RowConverter.grow(&floats, to: item.source.shape.columns * 4)
    RowConverter.grow(&encoded, to: targetBytes * rows.count)
    let values = floats.bindMemory(to: Float.self).baseAddress!
    for (index, row) in rows.enumerated() {
      let start = source.baseAddress! + ((item.rows?[row] ?? row) - spanStart) * sourceBytes
      let target = encoded.baseAddress! + index * targetBytes
      if isCopy {
        target.copyMemory(from: start, byteCount: targetBytes)
        continue
      }
      RowCodec.decode(start, from, columns: item.source.shape.columns, into: values)
      // Ascending, so that nothing is overwritten before it is read.
      if let kept = item.columns { for (new, old) in kept.enumerated() { values[new] = values[old] } }
      RowCodec.encode(values, to, columns: columns, into: target)
    }
    return UnsafeRawBufferPointer(rebasing: encoded[..<(targetBytes * rows.count)])
  }

  private static func grow(_ buffer: inout UnsafeMutableRawBufferPointer, to byteCount: Int) {
    guard buffer.count < byteCount else { return }
    buffer.deallocate()
    buffer = .allocate(byteCount: byteCount, alignment: 64)
  }
}
