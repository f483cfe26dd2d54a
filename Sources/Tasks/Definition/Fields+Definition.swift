import Evaluation
import Formats
import JSON
import Spelling

/// What definitions of tasks need beyond other JSON files.
extension Fields {
  /// - Throws: for the first key that is none of `known`, with the nearest that is.
  func refuseUnknown(besides known: [String]) throws(FormatError) {
    for name in object.names where !known.contains(name) {
      throw error(
        name, "is no key of \(prefix.isEmpty ? "a definition" : "this part of a definition")\(NearestName.hint(for: name, in: known))")
    }
  }

  /// A list of texts, or a single one.
  func strings(_ key: String) throws(FormatError) -> [String]? {
    guard let value = self[key] else { return nil }
    if let text = value.string { return [text] }
    guard let elements = value.array, case let texts = elements.compactMap(\.string), texts.count == elements.count else {
      throw error(key, "must be a list of texts")
    }
    return texts
  }

  /// A list of objects.
  func list(_ key: String) throws(FormatError) -> [Fields]? {
    guard let elements = try array(key) else { return nil }
    var list: [Fields] = []
    for (i, element) in elements.enumerated() {
      guard let object = element.object else { throw error("\(key)[\(i)]", "must be an object, not \(element.kind)") }
      list.append(Fields(path: path, object: object, prefix: "\(prefix)\(key)[\(i)]."))
    }
    return list
  }

  /// A field's name or a template.
  func rowValue(_ key: String) throws(FormatError) -> RowValue? {
    guard let source = try string(key) else { return nil }
    return try rowValue(key, source)
  }

  func rowValue(_ key: String, _ source: String) throws(FormatError) -> RowValue {
    if source.hasPrefix("!function") { throw error(key, "is a Python function, which hoof does not run; write a template instead") }
    do throws(TemplateError) { return try RowValue(key, source) } catch { throw self.error(key, error.description) }
  }

  func pattern(_ key: String, _ source: String) throws(FormatError) -> TextPattern {
    do throws(TextPattern.Refusal) { return try TextPattern(source) } catch { throw self.error(key, error.description) }
  }
}
