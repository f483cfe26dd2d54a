/// The front of a GGUF file, version 2 or 3: metadata and the table of tensors, checked against the file.
struct GGUFHeader {
  struct Tensor {
    let name: String
    /// ggml's order: the length of a row first.
    let dimensions: [Int]
    /// ggml's number.
    let type: UInt32
    /// Where its bytes start in the file.
    let start: Int
  }

  static let magic: [UInt8] = Array("GGUF".utf8)
  static let defaultAlignment = 32
  static let greatestDimensions = 4
  /// ggml's own limit is 64; some files go beyond.
  static let longestName = 1024

  let metadata: GGUFMetadata
  let tensors: [String: Tensor]
  private let path: String
  private let fileBytes: Int

  /// `bytes` is the whole file; valid as long as they are.
  init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
    guard bytes.count >= 24, bytes.starts(with: GGUFHeader.magic) else { throw FormatError(path, nil, "is not a GGUF file") }
    var reader = GGUFReader(bytes: bytes, path: path, at: 4)
    let version: UInt32 = try reader.integer("version")
    if version & 0xffff == 0 { throw FormatError(path, "version", "the file is big-endian, which is not supported") }
    guard version == 2 || version == 3 else { throw FormatError(path, "version", "\(version) is not supported; 2 and 3 are") }
    // A tensor takes at least 24 bytes, a pair 13.
    let tensorCount = try reader.count("tensor count", of: 24)
    let pairCount = try reader.count("metadata count", of: 13)
    let metadata = try GGUFMetadata(&reader, count: pairCount)
    var entries: [(name: String, dimensions: [Int], type: UInt32, offset: UInt64)] = []
    for _ in 0..<tensorCount { entries.append(try GGUFHeader.entry(&reader)) }

    let alignment = try metadata.int("general.alignment", in: 1...(1 << 20)) ?? GGUFHeader.defaultAlignment
    guard alignment.nonzeroBitCount == 1 else { throw metadata.error("general.alignment", "\(alignment) is no power of two") }
    let dataStart = (reader.at + alignment - 1) / alignment * alignment
    var tensors: [String: Tensor] = [:]
    for entry in entries {
      guard tensors[entry.name] == nil else { throw FormatError(path, entry.name, "stands twice in the table of tensors") }
      guard dataStart <= bytes.count, entry.offset <= UInt64(bytes.count - dataStart) else {
        throw FormatError(path, entry.name, "its bytes start beyond the end of the file; truncated?")
      }
      guard entry.offset % UInt64(alignment) == 0 else { throw FormatError(path, entry.name, "offset \(entry.offset) is not aligned") }
      tensors[entry.name] = Tensor(
        name: entry.name, dimensions: entry.dimensions, type: entry.type, start: dataStart + Int(entry.offset))
    }
    self.metadata = metadata
    self.tensors = tensors
    self.path = path
    fileBytes = bytes.count
  }

  private static func entry(
    _ reader: inout GGUFReader
  ) throws(FormatError) -> (name: String, dimensions: [Int], type: UInt32, offset: UInt64) {
    let name = try reader.string("a tensor's name")
    guard !name.isEmpty, name.utf8.count <= longestName else {
      throw FormatError(reader.path, "tensors", "a name has \(name.utf8.count) bytes; 1 to \(longestName) are expected")
    }
    let count: UInt32 = try reader.integer(name)
    guard (1...greatestDimensions).contains(Int(count)) else { throw FormatError(reader.path, name, "has \(count) dimensions") }
    var dimensions: [Int] = []
    var elements = 1
    for _ in 0..<count {
      let size: UInt64 = try reader.integer(name)
      let (product, overflow) = elements.multipliedReportingOverflow(by: Int(truncatingIfNeeded: size))
      guard size <= UInt64(Int.max), !overflow else { throw FormatError(reader.path, name, "has more elements than 64 bits can count") }
      dimensions.append(Int(size))
      elements = product
    }
    return (name, dimensions, try reader.integer(name), try reader.integer(name))
  }

  /// A tensor of a type that is read, its bytes inside the file; vectors are one row.
  func checked(_ name: String) throws(FormatError) -> (type: GGUFType, rows: Int, columns: Int, range: Range<Int>) {
    guard let tensor = tensors[name] else { throw FormatError(path, name, "the tensor is missing") }
    guard let type = GGUFType(rawValue: tensor.type) else {
      throw FormatError(path, name, "type \(GGUFType.name(tensor.type)) is not supported; these are: \(GGUFType.known)")
    }
    // Trailing ones are how ggml writes fewer dimensions.
    guard tensor.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw FormatError(path, name, "has \(tensor.dimensions.count) dimensions; one or two are expected")
    }
    let (columns, rows) = (tensor.dimensions[0], tensor.dimensions.count > 1 ? tensor.dimensions[1] : 1)
    let block = type.block
    guard columns % block.elements == 0 else {
      throw FormatError(path, name, "rows of \(columns) are no whole blocks of \(GGUFType.name(tensor.type))")
    }
    let (rowBytes, first) = (columns / block.elements).multipliedReportingOverflow(by: block.bytes)
    let (byteCount, second) = rowBytes.multipliedReportingOverflow(by: rows)
    guard !first, !second, byteCount <= fileBytes - tensor.start else {
      throw FormatError(path, name, "its \(byteCount) bytes reach beyond the end of the file; truncated?")
    }
    return (type, rows, columns, tensor.start..<tensor.start + byteCount)
  }
}
