import JSON
import TensorCore

/// The .hoof container, described byte by byte in docs/hoof-format.md.
package enum HoofFile {
  /// The end-of-line bytes show a file that went through a text conversion, as in PNG.
  static let magic: [UInt8] = Array("hoof\r\n\u{1a}\n".utf8)
  static let version: (major: UInt16, minor: UInt16) = (1, 0)
  package static let prefixBytes = 64

  /// By its first bytes.
  package static func isHoofFile(_ path: String) throws(FormatError) -> Bool {
    if isFolder(path) { return false }
    let file = try MappedFile(path: path)
    // The bytes are gone with the file, whose last use would else be before they are read.
    return withExtendedLifetime(file) { file.bytes.starts(with: magic) }
  }

  /// The fixed 64 bytes at the start.
  struct Prefix {
    var headerBytes: Int
    var tokenizerBytes: Int
    var tableBytes: Int
    var dataOffset: Int
    var fileBytes: Int
    /// CRC-32C of header, tokenizer and table.
    var checksum: UInt32

    var bytes: [UInt8] {
      var bytes = HoofFile.magic
      func append<Integer: FixedWidthInteger>(_ value: Integer) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
      append(HoofFile.version.major)
      append(HoofFile.version.minor)
      append(UInt32(0))
      for value in [headerBytes, tokenizerBytes, tableBytes, dataOffset, fileBytes] { append(UInt64(value)) }
      append(checksum)
      append(CRC32C.sum(bytes))
      return bytes
    }

    init(headerBytes: Int, tokenizerBytes: Int, tableBytes: Int, dataBytes: Int) {
      (self.headerBytes, self.tokenizerBytes, self.tableBytes) = (headerBytes, tokenizerBytes, tableBytes)
      let end = HoofFile.prefixBytes + headerBytes + tokenizerBytes + tableBytes
      dataOffset = (end + HoofTable.page - 1) / HoofTable.page * HoofTable.page
      fileBytes = dataOffset + dataBytes
      checksum = 0
    }

    init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
      guard bytes.count >= HoofFile.prefixBytes, bytes.starts(with: HoofFile.magic) else {
        throw FormatError(path, nil, "is not a .hoof file")
      }
      func integer<Integer: FixedWidthInteger>(_ offset: Int, _: Integer.Type) -> Integer {
        Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
      }
      let (major, minor) = (integer(8, UInt16.self), integer(10, UInt16.self))
      guard major <= HoofFile.version.major else {
        throw FormatError(
          path, "version", "\(major).\(minor) is newer than this program's \(HoofFile.version.major).\(HoofFile.version.minor)")
      }
      guard CRC32C.sum(UnsafeRawBufferPointer(rebasing: bytes[..<60])) == integer(60, UInt32.self) else {
        throw FormatError(path, "first 64 bytes", "the checksum is wrong; the file is damaged")
      }
      guard major == HoofFile.version.major else { throw FormatError(path, "version", "\(major).\(minor) is not supported") }
      guard integer(12, UInt32.self) == 0 else { throw FormatError(path, "flags", "are not zero; a newer hoof wrote the file") }
      var sizes: [Int] = []
      for (index, name) in ["header length", "tokenizer length", "table length", "data offset", "file length"].enumerated() {
        let value = integer(16 + 8 * index, UInt64.self)
        guard value <= UInt64(bytes.count) else {
          throw FormatError(path, name, "\(value) is beyond the end of the file (\(bytes.count) bytes); truncated?")
        }
        sizes.append(Int(value))
      }
      (headerBytes, tokenizerBytes, tableBytes, dataOffset, fileBytes) = (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])
      guard fileBytes == bytes.count else {
        throw FormatError(path, "file length", "is \(fileBytes) but the file has \(bytes.count) bytes")
      }
      guard headerBytes <= Limits.jsonBytes, tableBytes <= Limits.jsonBytes, tokenizerBytes <= Limits.tokenizerBytes else {
        throw FormatError(path, "header length", "is above the limit")
      }
      // Three sizes within the file each: their sum cannot overflow.
      guard HoofFile.prefixBytes + headerBytes + tokenizerBytes + tableBytes <= dataOffset else {
        throw FormatError(path, "data offset", "\(dataOffset) lies inside the header")
      }
      guard dataOffset % HoofTable.page == 0 else {
        throw FormatError(path, "data offset", "\(dataOffset) is not a multiple of \(HoofTable.page)")
      }
      checksum = integer(56, UInt32.self)
    }
  }

  /// Everything but the weights, checked.
  struct Contents {
    let header: HoofHeader
    let table: HoofTable
    let tokenizer: [UInt8]?
    let dataOffset: Int

    init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
      let prefix = try Prefix(parsing: bytes, path: path)
      let headerEnd = HoofFile.prefixBytes + prefix.headerBytes
      let tokenizerEnd = headerEnd + prefix.tokenizerBytes
      let tableEnd = tokenizerEnd + prefix.tableBytes
      guard CRC32C.sum(UnsafeRawBufferPointer(rebasing: bytes[HoofFile.prefixBytes..<tableEnd])) == prefix.checksum else {
        throw FormatError(path, "header", "the checksum is wrong; the file is damaged")
      }
      header = try HoofHeader(Fields(path: path, parsing: Array(bytes[HoofFile.prefixBytes..<headerEnd])))
      tokenizer = prefix.tokenizerBytes > 0 ? Array(bytes[headerEnd..<tokenizerEnd]) : nil
      let tableFields = try Fields(path: path, parsing: Array(bytes[tokenizerEnd..<tableEnd]))
      table = try HoofTable(tableFields, dataBytes: prefix.fileBytes - prefix.dataOffset)
      dataOffset = prefix.dataOffset
      try checkShapes(path: path)
    }

    private func checkShapes(path: String) throws(FormatError) {
      let entries = Dictionary(uniqueKeysWithValues: table.entries.map { ($0.name, $0) })
      for (name, shape) in header.config.tensorShapes {
        guard let entry = entries[name] else { throw FormatError(path, name, "the tensor is missing") }
        guard entry.shape == shape else { throw FormatError(path, name, "has shape \(entry.shape); the config asks for \(shape)") }
        if TensorName.isNorm(name), entry.dtype != .f32 { throw FormatError(path, name, "norms must be f32, not \(entry.dtype.name)") }
        if TensorName.isResidualMap(name), !entry.dtype.isDense || (shape.rows == 1 && entry.dtype != .f32) {
          throw FormatError(
            path, name, "is \(entry.dtype.name); patches and shortcuts must be \(shape.rows == 1 ? "f32" : "f32, f16 or bf16")")
        }
      }
    }
  }

  static func open(_ file: MappedFile) throws(FormatError) -> ModelSource {
    let contents = try Contents(parsing: file.bytes, path: file.path)
    let wanted = Set(contents.header.config.tensorShapes.map(\.name))
    var tensors: [String: StoredTensor] = [:]
    for entry in contents.table.entries where wanted.contains(entry.name) {
      let start = contents.dataOffset + entry.offset
      tensors[entry.name] = StoredTensor(
        name: entry.name, dtype: entry.dtype, shape: entry.shape, file: file, range: start..<start + entry.byteCount,
        checksum: entry.checksum)
    }
    let header = contents.header
    return ModelSource(
      path: file.path, config: header.config, tensors: tensors, tokenizer: contents.tokenizer, chatTemplate: header.chatTemplate,
      history: header.history, originalLayers: header.originalLayers, origin: header.origin, format: .hoof)
  }
}
