import JSON

extension JSON {
  /// `json.dumps(value, indent=2, ensure_ascii=False)` of Python, of which lm-evaluation-harness takes `doc_hash`.
  var pythonDump: String {
    var out = ""
    dump(into: &out, indent: "\n")
    return out
  }

  private func dump(into out: inout String, indent: String) {
    func list<Element>(_ elements: [Element], _ open: String, _ close: String, _ write: (Element, inout String) -> Void) {
      guard !elements.isEmpty else { return out += open + close }
      out += open
      for (index, element) in elements.enumerated() {
        out += (index > 0 ? "," : "") + indent + "  "
        write(element, &out)
      }
      out += indent + close
    }
    switch self {
    case .array(let elements): list(elements, "[", "]") { $0.dump(into: &$1, indent: indent + "  ") }
    case .object(let object):
      list(Array(object.members), "{", "}") { member, out in
        out += JSON.string(member.0).text() + ": "
        member.1.dump(into: &out, indent: indent + "  ")
      }
    default: out += text()
    }
  }

  /// Whether `datasets` has `row` as it stands if this is the first row of its file: it makes columns of a file, with the same fields for every
  /// row and one type for each, and a number with a fraction anywhere changes the other rows' numbers.
  func isColumnwiseLike(_ row: JSON) -> Bool {
    switch (self, row) {
    case (.double, _), (_, .double): return false
    case (.null, _), (_, .null): return true
    case (.bool, .bool), (.int, .int), (.string, .string): return true
    case (.array(let own), .array(let others)):
      // An element is like the next of its own list, too.
      guard let first = own.first ?? others.first else { return true }
      return (own + others).allSatisfy(first.isColumnwiseLike)
    case (.object(let own), .object(let others)):
      return own.names.elementsEqual(others.names) { PythonText.isSame($0, $1) }
        && own.names.allSatisfy { own[$0]!.isColumnwiseLike(others[$0]!) }
    default: return false
    }
  }
}
