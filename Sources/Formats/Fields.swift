import JSON

/// Members of a JSON object in a file, read with the error that names file and key. null counts as absent.
package struct Fields {
  package let path: String
  package let object: JSON.Object
  /// Where the object stands in its file: "rope_scaling." or nothing.
  package var prefix = ""

  package init(path: String, object: JSON.Object, prefix: String = "") {
    self.path = path
    self.object = object
    self.prefix = prefix
  }

  /// Parses a whole file whose top level must be an object.
  package init(path: String, parsing bytes: [UInt8]) throws(FormatError) {
    let json: JSON
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw FormatError(path, nil, error.description) }
    guard let object = json.object else { throw FormatError(path, nil, "must be a JSON object") }
    self.init(path: path, object: object)
  }

  package subscript(name: String) -> JSON? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  package func error(_ name: String, _ reason: String) -> FormatError { FormatError(path, prefix + name, reason) }

  package func int(_ name: String, in range: ClosedRange<Int>) throws(FormatError) -> Int? {
    guard let value = self[name] else { return nil }
    guard let int = value.int, range.contains(int) else {
      throw error(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(describe(value))")
    }
    return int
  }

  package func requiredInt(_ name: String, in range: ClosedRange<Int>) throws(FormatError) -> Int {
    guard let value = try int(name, in: range) else { throw error(name, "is missing") }
    return value
  }

  /// A number in the open or half-open interval that `holds` describes.
  package func double(_ name: String, _ rule: String, where holds: (Double) -> Bool) throws(FormatError) -> Double? {
    guard let value = self[name] else { return nil }
    guard let double = value.double, holds(double) else { throw error(name, "must be a number \(rule), not \(describe(value))") }
    return double
  }

  package func bool(_ name: String) throws(FormatError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let bool = value.bool else { throw error(name, "must be true or false, not \(describe(value))") }
    return bool
  }

  package func string(_ name: String) throws(FormatError) -> String? {
    guard let value = self[name] else { return nil }
    guard let string = value.string else { throw error(name, "must be a string, not \(describe(value))") }
    return string
  }

  package func array(_ name: String) throws(FormatError) -> [JSON]? {
    guard let value = self[name] else { return nil }
    guard let array = value.array else { throw error(name, "must be a list, not \(describe(value))") }
    return array
  }

  package func fields(_ name: String) throws(FormatError) -> Fields? {
    guard let value = self[name] else { return nil }
    guard let object = value.object else { throw error(name, "must be an object, not \(describe(value))") }
    return Fields(path: path, object: object, prefix: prefix + name + ".")
  }

  private func describe(_ value: JSON) -> String {
    let text = value.text()
    return text.utf8.count > 60 ? String(text.prefix(60)) + "…" : text
  }
}
