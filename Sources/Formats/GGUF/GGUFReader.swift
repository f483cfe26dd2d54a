/// Little-endian values of a GGUF file, one after another; nothing is read beyond its end.
struct GGUFReader {
  let bytes: UnsafeRawBufferPointer
  let path: String
  private(set) var at: Int

  init(bytes: UnsafeRawBufferPointer, path: String, at: Int = 0) {
    self.bytes = bytes
    self.path = path
    self.at = at
  }

  mutating func integer<Integer: FixedWidthInteger>(_ field: String) throws(FormatError) -> Integer {
    let start = at
    try skip(MemoryLayout<Integer>.size, field)
    return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Integer.self))
  }

  /// A number of things of at least `size` bytes each, which the rest of the file can hold.
  mutating func count(_ field: String, of size: Int) throws(FormatError) -> Int {
    let count: UInt64 = try integer(field)
    guard count <= UInt64((bytes.count - at) / size) else {
      throw FormatError(path, field, "\(count) entries are promised, more than the rest of the file can hold; truncated?")
    }
    return Int(count)
  }

  mutating func string(_ field: String) throws(FormatError) -> String {
    let length = try count(field, of: 1)
    let start = at
    try skip(length, field)
    guard let text = String(validating: bytes[start..<start + length], as: UTF8.self) else {
      throw FormatError(path, field, "holds a text that is not UTF-8")
    }
    return text
  }

  mutating func skip(_ count: Int, _ field: String) throws(FormatError) {
    guard count <= bytes.count - at else { throw FormatError(path, field, "the file ends inside it; truncated?") }
    at += count
  }
}
