/// A JSON value (RFC 8259). Objects keep the order of their members; a duplicate name is a parse error, because in a model file it is
/// either damage or an attempt to show two readers two different files.
public enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A number written without fraction or exponent that fits 64 bits.
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object(Object)

  /// Members in file order, with look-up by name.
  public struct Object: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// A name as its bytes: two spellings of "é" are one to String, and two members of a tokenizer's vocabulary.
    private struct ExactName: Hashable {
      let name: String
      init(_ name: String) { self.name = name }
      static func == (a: ExactName, b: ExactName) -> Bool { a.name.utf8.elementsEqual(b.name.utf8) }
      func hash(into hasher: inout Hasher) {
        var name = name
        name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      }
    }

    public private(set) var names: [String] = []
    private var values: [ExactName: JSON] = [:]

    public init() {}
    public init(dictionaryLiteral elements: (String, JSON)...) { for (name, value) in elements { self[name] = value } }

    public subscript(name: String) -> JSON? {
      get { values[ExactName(name)] }
      set {
        if values.updateValue(newValue ?? .null, forKey: ExactName(name)) == nil { names.append(name) }
        if newValue == nil {
          values[ExactName(name)] = nil
          names.removeAll { ExactName($0) == ExactName(name) }
        }
      }
    }

    public var count: Int { names.count }
    public var members: some Sequence<(String, JSON)> { names.lazy.map { ($0, self.values[ExactName($0)]!) } }

    /// Appends a member; false, and no change, when the name is already there.
    mutating func insert(_ name: String, _ value: JSON) -> Bool {
      guard values[ExactName(name)] == nil else { return false }
      values[ExactName(name)] = value
      names.append(name)
      return true
    }
  }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSON)...) {
    var object = Object()
    for (name, value) in elements { object[name] = value }
    self = .object(object)
  }
}

/// Reading: nil when the value is of another kind.
extension JSON {
  public subscript(name: String) -> JSON? {
    guard case .object(let object) = self else { return nil }
    return object[name]
  }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  public var object: Object? { if case .object(let value) = self { value } else { nil } }
  public var isNull: Bool { self == .null }
  /// Whole numbers only; 3.0 counts, 3.5 does not.
  public var int: Int? {
    switch self {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }
  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
