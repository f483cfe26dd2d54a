/// The key-value pairs of a GGUF file, read with the error that names file and key. Long lists stay where they are in the file.
struct GGUFMetadata {
  /// What a value can be; ggml's numbers of the types are the raw values.
  enum Kind: UInt32 {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// nil for those of no fixed size.
    var byteCount: Int? {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64: 8
      case .string, .array: nil
      }
    }
  }

  enum Value {
    case int(Int)
    case float(Double)
    case bool(Bool)
    case string(String)
    /// `count` elements from byte `start` of the file on.
    case list(Kind, count: Int, start: Int)
  }

  let path: String
  private var values: [String: Value] = [:]
  private let bytes: UnsafeRawBufferPointer

  /// Reads `count` pairs from where `reader` is; valid as long as its bytes are.
  init(_ reader: inout GGUFReader, count: Int) throws(FormatError) {
    path = reader.path
    bytes = reader.bytes
    for _ in 0..<count {
      let key = try reader.string("a metadata key")
      guard values[key] == nil else { throw FormatError(path, key, "stands twice in the metadata") }
      values[key] = try GGUFMetadata.value(&reader, key: key)
    }
  }

  private static func value(_ reader: inout GGUFReader, key: String) throws(FormatError) -> Value {
    let kind = try self.kind(&reader, key: key)
    switch kind {
    case .string: return .string(try reader.string(key))
    case .array:
      let element = try self.kind(&reader, key: key)
      let count = try reader.count(key, of: element.byteCount ?? 8)
      let start = reader.at
      if let size = element.byteCount {
        try reader.skip(size * count, key)
      } else {
        guard element == .string else { throw FormatError(reader.path, key, "is a list of lists, which is not supported") }
        for _ in 0..<count { try reader.skip(try reader.count(key, of: 1), key) }
      }
      return .list(element, count: count, start: start)
    default: return try scalar(&reader, kind, key: key)
    }
  }

  private static func kind(_ reader: inout GGUFReader, key: String) throws(FormatError) -> Kind {
    let number: UInt32 = try reader.integer(key)
    guard let kind = Kind(rawValue: number) else { throw FormatError(reader.path, key, "has the unknown type \(number)") }
    return kind
  }

  private static func scalar(_ reader: inout GGUFReader, _ kind: Kind, key: String) throws(FormatError) -> Value {
    switch kind {
    case .uint8: return .int(Int(try reader.integer(key) as UInt8))
    case .int8: return .int(Int(try reader.integer(key) as Int8))
    case .uint16: return .int(Int(try reader.integer(key) as UInt16))
    case .int16: return .int(Int(try reader.integer(key) as Int16))
    case .uint32: return .int(Int(try reader.integer(key) as UInt32))
    case .int32: return .int(Int(try reader.integer(key) as Int32))
    case .uint64:
      let value: UInt64 = try reader.integer(key)
      guard let int = Int(exactly: value) else { throw FormatError(reader.path, key, "\(value) is too large") }
      return .int(int)
    case .int64: return .int(Int(try reader.integer(key) as Int64))
    // The shortest decimal that gives this float: 1e-5 and not 9.99999974e-06, as whoever wrote it meant.
    case .float32: return .float(Double("\(Float(bitPattern: try reader.integer(key)))") ?? .nan)
    case .float64: return .float(Double(bitPattern: try reader.integer(key)))
    case .bool: return .bool(try reader.integer(key) as UInt8 != 0)
    case .string, .array: preconditionFailure("gguf: \(kind) is no scalar")
    }
  }

  subscript(key: String) -> Value? { values[key] }
  func error(_ key: String, _ reason: String) -> FormatError { FormatError(path, key, reason) }

  func int(_ key: String, in range: ClosedRange<Int>) throws(FormatError) -> Int? {
    guard let value = values[key] else { return nil }
    guard case .int(let int) = value, range.contains(int) else {
      throw error(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return int
  }

  func requiredInt(_ key: String, in range: ClosedRange<Int>) throws(FormatError) -> Int {
    guard let int = try int(key, in: range) else { throw error(key, "is missing") }
    return int
  }

  func double(_ key: String, _ rule: String, where holds: (Double) -> Bool) throws(FormatError) -> Double? {
    let number: Double
    switch values[key] {
    case nil: return nil
    case .float(let value): number = value
    case .int(let value): number = Double(value)
    default: throw error(key, "must be a number \(rule)")
    }
    guard holds(number) else { throw error(key, "must be a number \(rule), not \(number)") }
    return number
  }

  func bool(_ key: String) throws(FormatError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .bool(let bool) = value else { throw error(key, "must be true or false") }
    return bool
  }

  func string(_ key: String) throws(FormatError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .string(let string) = value else { throw error(key, "must be a string") }
    return string
  }

  /// A whole number for each of `count` layers: one for all, or a list.
  func perLayer(_ key: String, count: Int, in range: ClosedRange<Int>) throws(FormatError) -> [Int]? {
    guard case .list? = values[key] else { return try int(key, in: range).map { Array(repeating: $0, count: count) } }
    let list = try ints(key, in: range)!
    guard list.count == count else { throw error(key, "has \(list.count) entries for \(count) layers") }
    return list
  }

  func ints(_ key: String, in range: ClosedRange<Int>) throws(FormatError) -> [Int]? {
    guard let (kind, count, start) = try list(key) else { return nil }
    var reader = start
    var ints: [Int] = []
    ints.reserveCapacity(count)
    for _ in 0..<count {
      guard kind.byteCount != nil, case .int(let int) = try GGUFMetadata.scalar(&reader, kind, key: key), range.contains(int) else {
        throw error(key, "must hold whole numbers from \(range.lowerBound) to \(range.upperBound)")
      }
      ints.append(int)
    }
    return ints
  }

  func doubles(_ key: String) throws(FormatError) -> [Double]? {
    guard let (kind, count, start) = try list(key) else { return nil }
    var reader = start
    var numbers: [Double] = []
    numbers.reserveCapacity(count)
    for _ in 0..<count {
      guard kind.byteCount != nil, case .float(let number) = try GGUFMetadata.scalar(&reader, kind, key: key), number.isFinite else {
        throw error(key, "must hold finite numbers")
      }
      numbers.append(number)
    }
    return numbers
  }

  func strings(_ key: String) throws(FormatError) -> [String]? {
    guard let (kind, count, start) = try list(key) else { return nil }
    var reader = start
    guard kind == .string else { throw error(key, "must hold strings") }
    var strings: [String] = []
    strings.reserveCapacity(count)
    for _ in 0..<count { strings.append(try reader.string(key)) }
    return strings
  }

  private func list(_ key: String) throws(FormatError) -> (Kind, Int, GGUFReader)? {
    guard let value = values[key] else { return nil }
    guard case .list(let kind, let count, let start) = value else { throw error(key, "must be a list") }
    return (kind, count, GGUFReader(bytes: bytes, path: path, at: start))
  }
}
