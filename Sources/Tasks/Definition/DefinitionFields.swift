import Evaluation
import Formats
import JSON

/// Members of a definition, read with the error that names file, task and key. null counts as absent.
struct DefinitionFields {
  let path: String
  let object: JSON.Object
  /// "hellaswag.", "hellaswag.metric_list[0]."
  var prefix = ""

  subscript(name: String) -> JSON? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  func error(_ key: String, _ reason: String) -> FormatError { FormatError(path, prefix + key, reason) }

  /// - Throws: for the first key that is none of `known`, with the nearest that is.
  func refuseUnknown(besides known: [String]) throws(FormatError) {
    for name in object.names where !known.contains(name) {
      throw error(
        name, "is no key of \(prefix.isEmpty ? "a definition" : "this part of a definition")\(NearestName.hint(for: name, in: known))")
    }
  }

  func string(_ key: String) throws(FormatError) -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.string else { throw error(key, "must be a text, not \(value.kind)") }
    return text
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

  func int(_ key: String, in range: ClosedRange<Int>) throws(FormatError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let int = value.int, range.contains(int) else {
      throw error(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return int
  }

  func bool(_ key: String) throws(FormatError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard let bool = value.bool else { throw error(key, "must be true or false, not \(value.kind)") }
    return bool
  }

  func fields(_ key: String) throws(FormatError) -> DefinitionFields? {
    guard let value = self[key] else { return nil }
    guard let object = value.object else { throw error(key, "must be an object, not \(value.kind)") }
    return DefinitionFields(path: path, object: object, prefix: prefix + key + ".")
  }

  /// A list of objects.
  func list(_ key: String) throws(FormatError) -> [DefinitionFields]? {
    guard let value = self[key] else { return nil }
    guard let elements = value.array else { throw error(key, "must be a list, not \(value.kind)") }
    var list: [DefinitionFields] = []
    for (i, element) in elements.enumerated() {
      guard let object = element.object else { throw error("\(key)[\(i)]", "must be an object, not \(element.kind)") }
      list.append(DefinitionFields(path: path, object: object, prefix: "\(prefix)\(key)[\(i)]."))
    }
    return list
  }

  /// A field's name or a template.
  func rowValue(_ key: String) throws(FormatError) -> RowValue? {
    guard let value = self[key] else { return nil }
    guard let source = value.string else { throw error(key, "must be a text, not \(value.kind)") }
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
