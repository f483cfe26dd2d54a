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
    guard case .stored(let tensor, let kept, let columns) = item.content else { preconditionFailure("convert: \(item.name) is made") }
    // Rows that are left out between two that stay are read and checked too: NaN means a damaged file wherever it stands.
    let span = kept.map { $0[rows.lowerBound]..<$0[rows.upperBound - 1] + 1 } ?? rows
    let range = span.lowerBound * tensor.rowBytes..<span.upperBound * tensor.rowBytes
    let source = UnsafeRawBufferPointer(rebasing: tensor.bytes[range])
    defer { tensor.file.release(tensor.range.lowerBound + range.lowerBound..<tensor.range.lowerBound + range.upperBound) }
    guard RowCodec.isFinite(source, tensor.dtype) else { throw FormatError(tensor.file.path, tensor.name, "holds NaN or infinite values") }
    let isCopy = tensor.dtype == item.dtype && columns == nil
    let bytes =
      isCopy && kept == nil
      ? source : gather(source, tensor, item, rows: rows.map { (kept?[$0] ?? $0) - span.lowerBound }, columns: columns, isCopy: isCopy)
    guard isCopy || RowCodec.isFinite(bytes, item.dtype) else {
      throw FormatError(tensor.file.path, tensor.name, "holds values too large for \(item.dtype.name); bf16 and f32 hold them")
    }
    try use(bytes)
    return CRC32C.sum(bytes)
  }

  /// Gives made rows, `values` from row `first` on, to `use` as the item's type; returns the CRC-32C of those bytes.
  mutating func encode(
    _ values: [Float], from first: Int, _ item: ModelImport.Item, rows: Range<Int>, path: String,
    use: (UnsafeRawBufferPointer) throws(FormatError) -> Void
  ) throws(FormatError) -> UInt32 {
    let columns = item.shape.columns
    let rowBytes = item.dtype.rowBytes(columns: columns)
    RowConverter.grow(&encoded, to: rowBytes * rows.count)
    let target = encoded.baseAddress!
    let isFinite = values.withUnsafeBufferPointer { values in
      let own = UnsafeBufferPointer(rebasing: values[(rows.lowerBound - first) * columns..<(rows.upperBound - first) * columns])
      guard RowCodec.isFinite(UnsafeRawBufferPointer(own), .f32) else { return false }
      for row in rows.indices {
        let index = row - rows.lowerBound
        RowCodec.encode(own.baseAddress! + index * columns, item.dtype, columns: columns, into: target + index * rowBytes)
      }
      return true
    }
    guard isFinite else { throw FormatError(path, item.name, "came out with NaN or infinite values") }
    let bytes = UnsafeRawBufferPointer(rebasing: encoded[..<(rowBytes * rows.count)])
    guard RowCodec.isFinite(bytes, item.dtype) else {
      throw FormatError(path, item.name, "has values too large for \(item.dtype.name); bf16 and f32 hold them")
    }
    try use(bytes)
    return CRC32C.sum(bytes)
  }

  /// - Parameter rows: counted from the start of `source`.
  private mutating func gather(
    _ source: UnsafeRawBufferPointer, _ tensor: StoredTensor, _ item: ModelImport.Item, rows: [Int], columns kept: [Int]?, isCopy: Bool
  ) -> UnsafeRawBufferPointer {
    let (from, to, columns) = (tensor.dtype, item.dtype, item.shape.columns)
    let (sourceBytes, targetBytes) = (tensor.rowBytes, to.rowBytes(columns: columns))
    RowConverter.grow(&floats, to: tensor.shape.columns * 4)
    RowConverter.grow(&encoded, to: targetBytes * rows.count)
    let values = floats.bindMemory(to: Float.self).baseAddress!
    for (index, row) in rows.enumerated() {
      let start = source.baseAddress! + row * sourceBytes
      let target = encoded.baseAddress! + index * targetBytes
      if isCopy {
        target.copyMemory(from: start, byteCount: targetBytes)
        continue
      }
      RowCodec.decode(start, from, columns: tensor.shape.columns, into: values)
      // Ascending, so that nothing is overwritten before it is read.
      if let kept { for (new, old) in kept.enumerated() { values[new] = values[old] } }
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
