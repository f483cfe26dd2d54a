import TensorCore

/// A tensor as another program's file holds it: an item of a plan, with rows and columns put in other places and zeros between.
struct PaddedTensor: Sendable {
  /// A run of rows or columns that stays together.
  struct Piece: Sendable, Equatable {
    let source: Int
    let target: Int
    let count: Int
  }

  /// As the file names it.
  let name: String
  let dtype: DType
  let shape: Shape
  /// nil for a tensor of `fill` alone.
  let item: ModelImport.Item?
  /// What a tensor without an item is full of.
  var fill: Float = 0
  let rows: [Piece]
  let columns: [Piece]
  /// What the values are multiplied with.
  var scale: Float = 1
  /// The rows of each head of this many are taken in turns from its two halves, as GGUF keeps queries and keys: its rotary pairs are
  /// neighbours, those of Hugging Face are half a head apart.
  var interleavedHead: Int? = nil

  var rowBytes: Int { dtype.rowBytes(columns: shape.columns) }
  var byteCount: Int { rowBytes * shape.rows }
  /// What has to be read or made for it.
  var inputBytes: Int { item?.inputBytes ?? 0 }

  /// Whether the bytes of a row are copied, not decoded and encoded again.
  var copiesBytes: Bool {
    guard let item, item.dtype == dtype, scale == 1 else { return false }
    return PaddedTensor.keepsBlocks(columns, of: dtype, sourceColumns: item.shape.columns, targetColumns: shape.columns)
  }

  /// Whether runs of columns can be moved block by block. The last block of a row may be partly filled.
  static func keepsBlocks(_ columns: [Piece], of dtype: DType, sourceColumns: Int, targetColumns: Int) -> Bool {
    let block = dtype.block.elements
    guard block > 1 else { return true }
    return targetColumns % block == 0
      && columns.allSatisfy { piece in
        let isLast = piece.source + piece.count == sourceColumns
        let end = piece.target + (piece.count + block - 1) / block * block
        return piece.source % block == 0 && piece.target % block == 0 && (piece.count % block == 0 || isLast && end <= targetColumns)
      }
  }

  /// Where row `target` comes from; nil for a row of zeros.
  func sourceRow(_ target: Int) -> Int? {
    var row = target
    if let head = interleavedHead {
      let place = row % head
      row += (place % 2) * (head / 2) + place / 2 - place
    }
    for piece in rows where row >= piece.target && row < piece.target + piece.count { return row - piece.target + piece.source }
    return nil
  }

  /// Rows that are best made at a time: about `bytes` of them, whole heads where rows change places within one.
  func step(bytes: Int) -> Int {
    let widest = max(rowBytes, item.map { $0.inputBytes / max($0.shape.rows, 1) } ?? 0, 1)
    let step = max(1, bytes / widest)
    guard let head = interleavedHead else { return step }
    return (step + head - 1) / head * head
  }
}

/// Makes rows of padded tensors through buffers that are kept from call to call. One per thread.
struct PaddedRows: ~Copyable {
  private var converter = RowConverter()
  private var target: [UInt8] = []

  /// Gives the bytes of `rows` of `tensor` to `use`.
  /// - Parameter path: the file that is written, for messages about values that are made.
  mutating func make(
    _ tensor: PaddedTensor, rows: Range<Int>, path: String, use: (UnsafeRawBufferPointer) throws(FormatError) -> Void
  ) throws(FormatError) {
    let sources = rows.map { tensor.sourceRow($0) }
    let present = sources.compactMap { $0 }
    target.removeAll(keepingCapacity: true)
    target.append(contentsOf: repeatElement(0, count: rows.count * tensor.rowBytes))
    if let item = tensor.item, let first = present.min(), let last = present.max() {
      let span = first..<last + 1
      // The converter hands bytes out while it is being changed, so what they go into is not this value's.
      var out = target
      target = []
      let place = { (bytes: UnsafeRawBufferPointer) throws(FormatError) in
        try PaddedRows.place(bytes, of: item, from: first, sources, tensor, &out, path: path)
      }
      if case .made(let maker) = item.content {
        _ = try converter.encode(
          PaddedRows.made(maker, span, item, path), from: span.lowerBound, item, rows: span, path: path, use: place)
      } else {
        _ = try converter.convert(item, rows: span, use: place)
      }
      target = out
    } else if tensor.item == nil, tensor.fill != 0 {
      let row = Array(repeating: tensor.fill, count: tensor.shape.columns)
      target.withUnsafeMutableBytes { out in
        for index in 0..<rows.count {
          RowCodec.encode(row, tensor.dtype, columns: row.count, into: out.baseAddress! + index * tensor.rowBytes)
        }
      }
    }
    try target.withUnsafeBufferPointer { bytes throws(FormatError) in try use(UnsafeRawBufferPointer(bytes)) }
  }

  private static func made(_ maker: RowMaker, _ rows: Range<Int>, _ item: ModelImport.Item, _ path: String) throws(FormatError) -> [Float] {
    do { return try maker(rows) } catch let error as FormatError { throw error } catch { throw FormatError(path, item.name, "\(error)") }
  }

  /// Rows of the item, `bytes` from row `first` on, to their places.
  private static func place(
    _ bytes: UnsafeRawBufferPointer, of item: ModelImport.Item, from first: Int, _ sources: [Int?], _ tensor: PaddedTensor,
    _ out: inout [UInt8], path: String
  ) throws(FormatError) {
    let sourceBytes = item.dtype.rowBytes(columns: item.shape.columns)
    let block = tensor.dtype.block
    let copies = tensor.copiesBytes
    var decoded = [Float](repeating: 0, count: copies ? 1 : item.shape.columns)
    var placed = [Float](repeating: 0, count: copies ? 1 : tensor.shape.columns)
    let isFinite = out.withUnsafeMutableBytes { out in
      for (index, row) in sources.enumerated() {
        guard let row else { continue }
        let from = bytes.baseAddress! + (row - first) * sourceBytes
        let to = out.baseAddress! + index * tensor.rowBytes
        if copies {
          for piece in tensor.columns {
            let blocks = (piece.count + block.elements - 1) / block.elements
            (to + piece.target / block.elements * block.bytes)
              .copyMemory(from: from + piece.source / block.elements * block.bytes, byteCount: blocks * block.bytes)
          }
          continue
        }
        RowCodec.decode(from, item.dtype, columns: item.shape.columns, into: &decoded)
        for piece in tensor.columns {
          for column in 0..<piece.count { placed[piece.target + column] = decoded[piece.source + column] * tensor.scale }
        }
        RowCodec.encode(placed, tensor.dtype, columns: tensor.shape.columns, into: to)
      }
      return copies || RowCodec.isFinite(UnsafeRawBufferPointer(out), tensor.dtype)
    }
    guard isFinite else { throw FormatError(path, tensor.name, "holds values too large for \(tensor.dtype.name); f32 and bf16 hold them") }
  }
}
