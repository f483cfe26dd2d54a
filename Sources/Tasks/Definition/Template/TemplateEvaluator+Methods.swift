import Evaluation
import JSON

/// Methods of texts, lists and objects, and filters.
extension TemplateEvaluator {
  static let filters: Set = [
    "capitalize", "count", "default", "first", "float", "int", "join", "last", "length", "list", "lower", "map", "regex_replace", "replace",
    "string", "trim", "upper", "wikitext_detokenize",
  ]

  mutating func method(_ name: String, of target: JSON, _ arguments: [JSON]) throws(TemplateError) -> JSON {
    if target.array != nil {
      try measure(target)
      for argument in arguments { try measure(argument) }
    }
    switch target {
    case .string(let text): return try method(name, ofText: text, arguments)
    case .array(let elements):
      guard arguments.count == 1 else { break }
      if name == "index" {
        if let place = elements.firstIndex(where: { $0.isSame(arguments[0]) }) { return .int(place) }
        let shown = elements.prefix(8).map { $0.pythonText.prefix(60) }.joined(separator: ", ")
        throw TemplateError("'\(arguments[0].pythonText.prefix(60))' is none of \(shown.isEmpty ? "an empty list" : shown)")
      }
      if name == "count" { return .int(elements.count { $0.isSame(arguments[0]) }) }
    case .object(let object):
      switch name {
      case "keys": return .array(object.names.map { .string($0) })
      case "values": return .array(object.members.map(\.1))
      case "items": return .array(object.members.map { .array([.string($0.0), $0.1]) })
      case "get":
        if let name = arguments.first { return object[try text(of: name)] ?? (arguments.count > 1 ? arguments[1] : .null) }
      default: break
      }
    default: break
    }
    throw TemplateError("\(target.kind) has no method '\(name)' with \(arguments.count) argument\(arguments.count == 1 ? "" : "s")")
  }

  private mutating func method(_ name: String, ofText text: String, _ arguments: [JSON]) throws(TemplateError) -> JSON {
    func string(_ index: Int) throws(TemplateError) -> String? {
      guard index < arguments.count, !arguments[index].isNull else { return nil }
      guard let value = arguments[index].string else { throw TemplateError("\(name): \(arguments[index].kind) where a text is needed") }
      return value
    }
    func int(_ index: Int) throws(TemplateError) -> Int? {
      guard index < arguments.count else { return nil }
      guard let value = arguments[index].int else { throw TemplateError("\(name): \(arguments[index].kind) where a number is needed") }
      return value
    }
    switch (name, arguments.count) {
    case ("strip", 0...1): return .string(PythonText.stripped(text, try string(0)))
    case ("lstrip", 0...1): return .string(PythonText.stripped(text, try string(0), right: false))
    case ("rstrip", 0...1): return .string(PythonText.stripped(text, try string(0), left: false))
    case ("lower", 0): return .string(PythonText.lowered(text))
    case ("upper", 0): return .string(PythonText.raised(text))
    case ("capitalize", 0): return .string(PythonText.capitalized(text))
    case ("startswith", 1): return .bool(text.utf8.starts(with: (try string(0) ?? "").utf8))
    case ("endswith", 1): return .bool(text.utf8.reversed().starts(with: (try string(0) ?? "").utf8.reversed()))
    case ("replace", 2...3):
      return .string(try PythonText.replacing(try string(0) ?? "", by: try string(1) ?? "", in: text, limit: try int(2)))
    case ("split", 0...2):
      let limit = try int(1)
      guard let separator = try string(0) else { return .array(try PythonText.words(text, limit: limit).map { .string($0) }) }
      return .array(try PythonText.split(text, separator, limit: limit).map { .string($0) })
    case ("find", 1): return .int(PythonText.find(try string(0) ?? "", in: text) ?? -1)
    case ("index", 1):
      guard let place = PythonText.find(try string(0) ?? "", in: text) else {
        throw TemplateError("no '\((try string(0) ?? "").prefix(60))' in the text")
      }
      return .int(place)
    case ("join", 1): return .string(try joined(try elements(of: arguments[0]), text))
    default: throw TemplateError("a text has no method '\(name)' with \(arguments.count) argument\(arguments.count == 1 ? "" : "s")")
    }
  }

  private mutating func joined(_ elements: [JSON], _ separator: String) throws(TemplateError) -> String {
    var out = ""
    for (i, element) in elements.enumerated() {
      if i > 0 { out += separator }
      out += try text(of: element)
      try TemplateEvaluator.check(bytes: out.utf8.count)
    }
    return out
  }

  /// `value|default('x')`: where there is no value, or with true behind it also where an `if` would take it for false.
  mutating func defaulted(_ value: JSON?, _ arguments: TemplateExpression.Arguments) throws(TemplateError) -> JSON {
    var (other, isForFalse) = (arguments.values.first, arguments.values.count > 1 ? arguments.values[1] : nil)
    guard arguments.values.count <= 2 else { throw TemplateError("|default with \(arguments.values.count) arguments") }
    for argument in arguments.named {
      switch argument.name {
      case "default_value" where other == nil: other = argument.value
      case "boolean" where isForFalse == nil: isForFalse = argument.value
      default: throw TemplateError("|default with an argument '\(argument.name)='")
      }
    }
    if let value {
      guard let isForFalse, try self.value(isForFalse).isPythonTrue, !value.isPythonTrue else { return value }
    }
    return try other.map { (other) throws(TemplateError) in try self.value(other) } ?? ""
  }

  mutating func filtered(_ target: JSON, _ name: String, _ arguments: TemplateExpression.Arguments) throws(TemplateError) -> JSON {
    let values = try values(arguments.values)
    guard arguments.named.isEmpty || name == "map" else { throw TemplateError("|\(name) with an argument '\(arguments.named[0].name)='") }
    switch (name, values.count) {
    case ("join", 0...1): return .string(try joined(try elements(of: target), try text(of: values.first ?? "")))
    case ("replace", 2...3): return try method("replace", ofText: try text(of: target), values)
    case ("trim", 0...1): return try method("strip", ofText: try text(of: target), values)
    case ("lower", 0), ("upper", 0), ("capitalize", 0): return try method(name, ofText: try text(of: target), values)
    case ("length", 0), ("count", 0):
      if let text = target.string { return .int(text.unicodeScalars.count) }
      return .int(try elements(of: target).count)
    case ("list", 0): return .array(try elements(of: target))
    case ("string", 0): return .string(try text(of: target))
    case ("int", 0): return .int(jinjaInt(target, try text(of: target)))
    case ("float", 0):
      let text = try text(of: target)
      return .double(target.number ?? Double(PythonText.stripped(text, nil)) ?? 0)
    case ("first", 0), ("last", 0):
      let elements = try elements(of: target)
      guard let element = name == "first" ? elements.first : elements.last else { throw TemplateError("|\(name) of an empty list") }
      return element
    case ("map", 0...1): return try mapped(try elements(of: target), values.first, arguments)
    case ("regex_replace", 2...3): return .string(try replaced(try text(of: target), values, arguments.pattern))
    // The harness' function for WikiText pages.
    case ("wikitext_detokenize", 0): return .string(WikiTextDetokenizer.detokenized(try text(of: target)))
    default: throw TemplateError("|\(name) with \(values.count) argument\(values.count == 1 ? "" : "s")")
    }
  }

  /// Jinja's `int`: what is no number is 0.
  private func jinjaInt(_ value: JSON, _ text: String) -> Int {
    if case .int(let value) = value { return value }
    let text = PythonText.stripped(text, nil)
    return Int(text) ?? Int(exactly: (value.number ?? Double(text) ?? 0).rounded(.towardZero)) ?? 0
  }

  /// `map(attribute='text')`, `map('upper')`.
  private mutating func mapped(_ elements: [JSON], _ filter: JSON?, _ arguments: TemplateExpression.Arguments) throws(TemplateError) -> JSON
  {
    var out: [JSON] = []
    if let attribute = arguments.named.first, attribute.name == "attribute", filter == nil {
      let name = try text(of: try value(attribute.value))
      try count(steps: elements.count)
      for element in elements {
        guard let value = element[name] else { throw TemplateError("is missing", missingField: name) }
        out.append(value)
      }
    } else if let name = filter?.string, TemplateEvaluator.filters.contains(name), name != "map" {
      for element in elements {
        try count(steps: 1)
        try count(bytes: element.ownBytes)
        let value = try filtered(element, name, TemplateExpression.Arguments())
        try count(bytes: value.ownBytes)
        out.append(value)
      }
    } else {
      throw TemplateError("|map takes attribute='NAME' or the name of a filter")
    }
    return .array(out)
  }

  private mutating func replaced(_ text: String, _ values: [JSON], _ pattern: TextPattern?) throws(TemplateError) -> String {
    let (source, replacement) = (try self.text(of: values[0]), try self.text(of: values[1]))
    do throws(TextPattern.Refusal) {
      let limit = values.count > 2 ? values[2].int ?? 0 : 0
      let compiled = if let pattern { pattern } else { try TextPattern(source) }
      return try compiled.replacing(in: text, with: replacement, limit: limit == 0 ? nil : limit)
    } catch {
      throw TemplateError("regex_replace: \(error.description)")
    }
  }
}
