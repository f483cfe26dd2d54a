/// A key and its value, as they are written into a GGUF file.
struct GGUFEntry {
  enum Value {
    case uint32(UInt32)
    case float(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case ints([Int32])
    case floats([Float])
  }

  let key: String
  let value: Value

  init(_ key: String, _ value: Value) { (self.key, self.value) = (key, value) }

  func append(to bytes: inout [UInt8]) {
    GGUFEntry.append(key, to: &bytes)
    switch value {
    case .uint32(let value): GGUFEntry.append(.uint32, value, to: &bytes)
    case .float(let value): GGUFEntry.append(.float32, value.bitPattern, to: &bytes)
    case .bool(let value): GGUFEntry.append(.bool, UInt8(value ? 1 : 0), to: &bytes)
    case .string(let text):
      GGUFEntry.append(GGUFMetadata.Kind.string.rawValue, to: &bytes)
      GGUFEntry.append(text, to: &bytes)
    case .strings(let texts): GGUFEntry.append(texts, as: .string, to: &bytes) { GGUFEntry.append($0, to: &$1) }
    case .ints(let values): GGUFEntry.append(values, as: .int32, to: &bytes) { GGUFEntry.append($0, to: &$1) }
    case .floats(let values): GGUFEntry.append(values, as: .float32, to: &bytes) { GGUFEntry.append($0.bitPattern, to: &$1) }
    }
  }

  private static func append<Integer: FixedWidthInteger>(_ kind: GGUFMetadata.Kind, _ value: Integer, to bytes: inout [UInt8]) {
    append(kind.rawValue, to: &bytes)
    append(value, to: &bytes)
  }

  private static func append<Element>(
    _ elements: [Element], as kind: GGUFMetadata.Kind, to bytes: inout [UInt8], _ write: (Element, inout [UInt8]) -> Void
  ) {
    append(GGUFMetadata.Kind.array.rawValue, to: &bytes)
    append(kind.rawValue, to: &bytes)
    append(UInt64(elements.count), to: &bytes)
    for element in elements { write(element, &bytes) }
  }

  static func append<Integer: FixedWidthInteger>(_ value: Integer, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  static func append(_ text: String, to bytes: inout [UInt8]) {
    append(UInt64(text.utf8.count), to: &bytes)
    bytes += Array(text.utf8)
  }
}
