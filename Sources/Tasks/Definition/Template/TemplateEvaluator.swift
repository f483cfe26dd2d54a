import JSON

/// What a template gives for one row. Steps, and the bytes of everything that is made or looked at, are counted and limited, so that no
/// definition can take all memory or time.
struct TemplateEvaluator {
  var scope: TemplateScope
  private var steps = 0
  private var bytes = 0

  init(_ scope: TemplateScope) { self.scope = scope }

  mutating func count(steps more: Int) throws(TemplateError) {
    steps += more
    guard steps <= TemplateEvaluator.mostSteps else { throw TemplateError("takes more than \(TemplateEvaluator.mostSteps) steps") }
  }

  mutating func count(bytes more: Int) throws(TemplateError) {
    bytes += more
    guard bytes <= TemplateEvaluator.mostBytes else {
      throw TemplateError("goes through more than \(TemplateEvaluator.mostBytes >> 20) MiB")
    }
  }

  mutating func set(_ name: String, _ expression: TemplateExpression) throws(TemplateError) {
    let value = try value(expression)
    try measure(value)
    scope.locals[name] = value
  }

  mutating func text(_ nodes: [TemplateNode]) throws(TemplateError) -> String {
    var out = ""
    for node in nodes {
      switch node {
      case .text(let text):
        try count(bytes: text.utf8.count)
        out += text
      case .value(let expression):
        let value = try value(expression)
        out += try text(of: value)
      case .set(let name, let expression): try set(name, expression)
      case .branch(let cases, let otherwise):
        var body = otherwise
        for choice in cases where try value(choice.condition).isPythonTrue {
          body = choice.body
          break
        }
        out += try text(body)
      case .loop(let name, let list, let body):
        let elements = try elements(of: try value(list))
        let outer = scope.locals
        for (i, element) in elements.enumerated() {
          // The names around the loop are copied in each turn.
          try count(steps: 1 + outer.count / 8)
          scope.locals = outer
          scope.locals[name] = element
          scope.locals["loop"] = ["index": .int(i + 1), "index0": .int(i), "first": .bool(i == 0), "last": .bool(i == elements.count - 1)]
          out += try text(body)
          try TemplateEvaluator.check(bytes: out.utf8.count)
        }
        scope.locals = outer
      }
      try TemplateEvaluator.check(bytes: out.utf8.count)
    }
    return out
  }

  mutating func value(_ expression: TemplateExpression) throws(TemplateError) -> JSON {
    if let value = try found(expression) { return value }
    switch expression {
    case .name(let name): throw TemplateError("is missing", missingField: name)
    case .member(_, let name): throw TemplateError("is missing", missingField: name)
    case .element(let list, let place):
      let (list, place) = (try value(list), try value(place))
      if case .string(let name) = place { throw TemplateError("is missing", missingField: name) }
      throw TemplateError(
        "element \(try text(of: place)) of \(list.array.map { "\($0.count) element\($0.count == 1 ? "" : "s")" } ?? list.kind)")
    default: throw TemplateError("a value that is not defined")
    }
  }

  /// nil where Jinja calls the value undefined.
  private mutating func found(_ expression: TemplateExpression) throws(TemplateError) -> JSON? {
    try count(steps: 1)
    let value = try evaluated(expression)
    // What takes the value looks at all of it.
    if let value { try count(bytes: value.ownBytes) }
    return value
  }

  private mutating func evaluated(_ expression: TemplateExpression) throws(TemplateError) -> JSON? {
    switch expression {
    case .literal(let value): return value
    case .name(let name): return scope[name]
    case .member(let whole, let name):
      let whole = try value(whole)
      guard whole.object != nil else { throw TemplateError("'.\(name)' of \(whole.kind)") }
      return whole[name]
    case .element(let whole, let place): return try element(try value(place), of: try value(whole))
    case .slice(let whole, let from, let to): return try slice(try value(whole), from, to)
    case .list(let elements): return .array(try values(elements))
    case .dictionary(let pairs):
      var object = JSON.Object()
      for pair in pairs {
        let key = try value(pair.key)
        object[try text(of: key)] = try value(pair.value)
      }
      return .object(object)
    case .minus(let operand): return try arithmetic(.minus, 0, try value(operand))
    case .not(let operand): return .bool(!(try value(operand).isPythonTrue))
    case .binary(let operation, let left, let right): return try binary(operation, left, right)
    case .chain(let first, let links): return try chain(first, links)
    case .conditional(let then, let condition, let otherwise):
      if try value(condition).isPythonTrue { return try found(then) }
      guard let otherwise else { return "" }
      return try found(otherwise)
    case .method(let target, let name, let arguments): return try method(name, of: try value(target), try values(arguments.values))
    case .filter(let target, let name, let arguments):
      if name == "default" { return try defaulted(try found(target), arguments) }
      return try filtered(try value(target), name, arguments)
    case .test(let target, let name, let isNegated): return .bool(try test(target, name) != isNegated)
    }
  }

  mutating func values(_ expressions: [TemplateExpression]) throws(TemplateError) -> [JSON] {
    var values: [JSON] = []
    for expression in expressions { values.append(try value(expression)) }
    return values
  }

  func elements(of value: JSON) throws(TemplateError) -> [JSON] {
    switch value {
    case .array(let elements): return elements
    case .object(let object): return object.names.map { .string($0) }
    case .string(let text):
      try TemplateEvaluator.check(elements: text.unicodeScalars.count)
      return text.unicodeScalars.map { .string(String(Character($0))) }
    default: throw TemplateError("\(value.kind) where a list is needed")
    }
  }

  private mutating func element(_ place: JSON, of whole: JSON) throws(TemplateError) -> JSON? {
    switch (whole, place) {
    case (.object(let object), _): return object[try text(of: place)]
    case (.array(let elements), .int(let index)):
      let index = index < 0 ? index + elements.count : index
      return elements.indices.contains(index) ? .some(elements[index]) : .none
    case (.string(let text), .int(let index)):
      let scalars = Array(text.unicodeScalars)
      let place = index < 0 ? index + scalars.count : index
      return scalars.indices.contains(place) ? .some(.string(String(Character(scalars[place])))) : .none
    default: return .none
    }
  }

  private mutating func slice(_ whole: JSON, _ from: TemplateExpression?, _ to: TemplateExpression?) throws(TemplateError) -> JSON {
    func place(_ expression: TemplateExpression?, _ count: Int, absent: Int, _ evaluator: inout TemplateEvaluator) throws(TemplateError)
      -> Int
    {
      guard let expression, case let value = try evaluator.value(expression), !value.isNull else { return absent }
      guard case .int(let index) = value else { throw TemplateError("a slice from or to \(value.kind)") }
      return max(0, min(count, index < 0 ? index &+ count : index))
    }
    switch whole {
    case .array(let elements):
      let start = try place(from, elements.count, absent: 0, &self)
      return .array(Array(elements[start..<max(start, try place(to, elements.count, absent: elements.count, &self))]))
    case .string(let text):
      let scalars = Array(text.unicodeScalars)
      let start = try place(from, scalars.count, absent: 0, &self)
      let end = max(start, try place(to, scalars.count, absent: scalars.count, &self))
      return .string(String(String.UnicodeScalarView(scalars[start..<end])))
    default: throw TemplateError("a slice of \(whole.kind)")
    }
  }
}
