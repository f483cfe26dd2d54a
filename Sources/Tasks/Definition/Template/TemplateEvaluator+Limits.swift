import JSON

/// What one row may cost a template.
extension TemplateEvaluator {
  /// Of one text; of a list, where each element counts for 32.
  private static let longest = 16 << 20
  /// Of everything together.
  static let mostBytes = 128 << 20
  static let mostSteps = 200_000
  /// Lists inside of lists.
  private static let deepest = 64

  static func check(bytes: Int) throws(TemplateError) {
    guard bytes <= longest else { throw TemplateError("a text longer than \(longest >> 20) MiB") }
  }

  static func check(elements count: Int) throws(TemplateError) {
    guard count <= longest / 32 else { throw TemplateError("a list of more than \(longest / 32) elements") }
  }

  /// Counts all of a value, lists inside of it as often as they occur: two names of one list cost no memory, but their text does. To be called
  /// before anything goes through a whole value.
  mutating func measure(_ value: JSON, depth: Int = 0) throws(TemplateError) {
    try count(bytes: value.ownBytes)
    guard depth < TemplateEvaluator.deepest else { throw TemplateError("lists nested deeper than \(TemplateEvaluator.deepest)") }
    switch value {
    case .array(let elements): for element in elements { try measure(element, depth: depth + 1) }
    case .object(let object): for (_, element) in object.members { try measure(element, depth: depth + 1) }
    default: break
    }
  }

  /// `str(value)`
  mutating func text(of value: JSON) throws(TemplateError) -> String {
    if case .string(let text) = value { return text }
    try measure(value)
    let text = value.pythonText
    try TemplateEvaluator.check(bytes: text.utf8.count)
    return text
  }
}

extension JSON {
  /// About what it takes in memory, without what is inside of its elements.
  var ownBytes: Int {
    switch self {
    case .string(let text): 8 + text.utf8.count
    case .array(let elements): 32 * elements.count
    case .object(let object): 64 * object.count
    default: 8
    }
  }
}
