import JSON

/// What the template puts before and behind the ids of one text.
struct PostProcessor: Sendable {
  private(set) var prefix: [Int32] = []
  private(set) var suffix: [Int32] = []

  init(_ json: JSON?, at path: String = "post_processor", isKnown: (Int32) -> Bool) throws(TokenizerError) {
    guard let json, !json.isNull else { return }
    switch try kind(of: json, at: path) {
    case "Sequence":
      let fields = try SettingsFields(json, at: path, known: ["type", "processors"])
      for (index, part) in try fields.array("processors").enumerated() {
        let step = try PostProcessor(part, at: "\(path).processors[\(index)]", isKnown: isKnown)
        prefix = step.prefix + prefix
        suffix += step.suffix
      }
    case "ByteLevel":
      // It moves offsets, which are not kept here; the ids stay.
      _ = try SettingsFields(json, at: path, known: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
    case "TemplateProcessing": try readTemplate(json, path, isKnown)
    case let other: throw .unsupported("\(path) '\(other)'")
    }
  }

  /// `pair` is for two texts at once, which this module does not encode.
  private mutating func readTemplate(_ json: JSON, _ path: String, _ isKnown: (Int32) -> Bool) throws(TokenizerError) {
    let fields = try SettingsFields(json, at: path, known: ["type", "single", "pair", "special_tokens"])
    var hasText = false
    for (index, part) in try fields.array("single").enumerated() {
      let place = "\(path).single[\(index)]"
      let item = try SettingsFields(part, at: place, known: ["SpecialToken", "Sequence"])
      if item.value("Sequence") != nil {
        let sequence = try item.object("Sequence", known: ["id", "type_id"])
        guard try sequence.string("id") == "A", !hasText else { throw .invalid("\(place): a template for one text has it once, as A") }
        hasText = true
      } else {
        let name = try item.object("SpecialToken", known: ["id", "type_id"]).string("id")
        let ids = try Self.ids(of: name, fields, isKnown)
        if hasText { suffix += ids } else { prefix += ids }
      }
    }
    guard hasText else { throw .invalid("\(path).single leaves the text out") }
  }

  private static func ids(of name: String, _ fields: SettingsFields, _ isKnown: (Int32) -> Bool) throws(TokenizerError) -> [Int32] {
    let path = "\(fields.path).special_tokens['\(name)']"
    let token = try SettingsFields(fields.value("special_tokens")?[name], at: path, known: ["id", "ids", "tokens"])
    var ids: [Int32] = []
    for value in try token.array("ids") {
      guard let number = value.int, let id = Int32(exactly: number), isKnown(id) else {
        throw .invalid("\(path).ids: \(value.text()) is no token")
      }
      ids.append(id)
    }
    return ids
  }
}
