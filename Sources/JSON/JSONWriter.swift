extension JSON {
  /// The shortest text that reads back as this value; `pretty` puts members on lines of their own, arrays of numbers stay on one line.
  public func text(pretty: Bool = false) -> String {
    var out = ""
    write(into: &out, indent: pretty ? 0 : nil)
    return out
  }

  private func write(into out: inout String, indent: Int?) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .int(let value): out += String(value)
    // JSON has no NaN or infinity; null is what readers of the field expect in their place.
    case .double(let value): out += value.isFinite ? "\(value)" : "null"
    case .string(let value): JSON.quote(value, into: &out)
    case .array(let elements):
      let isFlat = elements.allSatisfy { $0.array == nil && $0.object == nil }
      let inner = isFlat ? nil : indent.map { $0 + 1 }
      JSON.list(elements, "[", "]", spaced: indent != nil, into: &out, inner: inner) { $0.write(into: &$1, indent: inner) }
    case .object(let object):
      let isFlat = indent != nil && indent! > 1 && object.members.allSatisfy { $0.1.array == nil && $0.1.object == nil }
      let inner = isFlat ? nil : indent.map { $0 + 1 }
      JSON.list(object.members, "{", "}", spaced: indent != nil, into: &out, inner: inner) { member, out in
        JSON.quote(member.0, into: &out)
        out += indent == nil ? ":" : ": "
        member.1.write(into: &out, indent: inner)
      }
    }
  }

  private static func list<Element>(
    _ elements: some Sequence<Element>, _ open: String, _ close: String, spaced: Bool, into out: inout String, inner: Int?,
    write: (Element, inout String) -> Void
  ) {
    out += open
    var isFirst = true
    for element in elements {
      if !isFirst { out += inner == nil && spaced ? ", " : "," }
      if let inner { out += "\n" + String(repeating: "  ", count: inner) }
      write(element, &out)
      isFirst = false
    }
    if let inner, !isFirst { out += "\n" + String(repeating: "  ", count: inner - 1) }
    out += close
  }

  private static func quote(_ string: String, into out: inout String) {
    out += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{8}": out += "\\b"
      case "\u{C}": out += "\\f"
      case "\0"..<" ":
        let code = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - code.count) + code
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
