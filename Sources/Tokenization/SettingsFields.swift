import JSON

/// One JSON object of the settings. A name it does not know is refused, because it may change what the tokenizer does.
struct SettingsFields {
  let path: String
  private let object: JSON.Object

  init(_ json: JSON?, at path: String, known: Set<String>) throws(TokenizerError) {
    guard let object = json?.object else { throw .invalid("\(path) is missing or no object") }
    for (name, _) in object.members where !known.contains(name) { throw .unsupported("\(path).\(name)") }
    self.path = path
    self.object = object
  }

  /// Nil when absent or null.
  func value(_ name: String) -> JSON? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  func string(_ name: String) throws(TokenizerError) -> String {
    guard let text = value(name)?.string else { throw .invalid("\(path).\(name) is missing or no string") }
    return text
  }

  func optionalString(_ name: String) throws(TokenizerError) -> String? {
    value(name) == nil ? nil : try string(name)
  }

  func bool(_ name: String, default absent: Bool) throws(TokenizerError) -> Bool {
    guard let value = value(name) else { return absent }
    guard let bool = value.bool else { throw .invalid("\(path).\(name) is neither true nor false") }
    return bool
  }

  /// A whole number that is not negative and fits an id.
  func natural(_ name: String) throws(TokenizerError) -> Int32 {
    guard let number = value(name)?.int, let natural = Int32(exactly: number), natural >= 0 else {
      throw .invalid("\(path).\(name) is missing or no whole number from 0 to 2147483647")
    }
    return natural
  }

  func array(_ name: String) throws(TokenizerError) -> [JSON] {
    guard let array = value(name)?.array else { throw .invalid("\(path).\(name) is missing or no array") }
    return array
  }

  /// The value as it stands, for objects read elsewhere.
  func object(_ name: String, known: Set<String>) throws(TokenizerError) -> SettingsFields {
    try SettingsFields(value(name), at: "\(path).\(name)", known: known)
  }
}

/// `type` of a part of the pipeline, which says how the rest of the object is read.
func kind(of json: JSON, at path: String) throws(TokenizerError) -> String {
  guard let kind = json["type"]?.string else { throw .invalid("\(path).type is missing or no string") }
  return kind
}
