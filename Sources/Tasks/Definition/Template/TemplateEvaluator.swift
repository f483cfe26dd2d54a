import JSON

/// What a template gives for one row. Texts and lists are limited, so that no definition can take all memory or time.
struct TemplateEvaluator {
  var scope: TemplateScope
  private var steps = 0

  private static let mostBytes = 16 << 20
  private static let mostSteps = 200_000

  init(_ scope: TemplateScope) { self.scope = scope }

  static func check(bytes: Int) throws(TemplateError) {
    guard bytes <= mostBytes else { throw TemplateError("a text longer than \(mostBytes >> 20) MiB") }
  }

  mutating func set(_ name: String, _ expression: TemplateExpression) throws(TemplateError) { scope.locals[name] = try value(expression) }

  mutating func text(_ nodes: [TemplateNode]) throws(TemplateError) -> String {
    var out = ""
    for node in nodes {
      switch node {
      case .text(let text): out += text
      case .value(let expression): out += try value(expression).pythonText
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
          scope.locals = outer
          scope.locals[name] = element
          scope.locals["loop"] = ["index": .int(i + 1), "index0": .int(i), "first": .bool(i == 0), "last": .bool(i == elements.count - 1)]
          out += try text(body)
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
        "element \(place.pythonText) of \(list.array.map { "\($0.count) element\($0.count == 1 ? "" : "s")" } ?? list.kind)")
    default: throw TemplateError("a value that is not defined")
    }
  }

  /// nil where Jinja calls the value undefined.
  private mutating func found(_ expression: TemplateExpression) throws(TemplateError) -> JSON? {
    steps += 1
    guard steps <= TemplateEvaluator.mostSteps else { throw TemplateError("takes more than \(TemplateEvaluator.mostSteps) steps") }
    switch expression {
    case .literal(let value): return value
    case .name(let name): return scope[name]
    case .member(let whole, let name):
      let whole = try value(whole)
      guard whole.object != nil else { throw TemplateError("'.\(name)' of \(whole.kind)") }
      return whole[name]
    case .element(let whole, let place): return element(try value(place), of: try value(whole))
    case .slice(let whole, let from, let to): return try slice(try value(whole), from, to)
    case .list(let elements): return .array(try values(elements))
    case .dictionary(let pairs):
      var object = JSON.Object()
      for pair in pairs { object[try value(pair.key).pythonText] = try value(pair.value) }
      return .object(object)
    case .minus(let operand): return try arithmetic(.minus, 0, try value(operand))
    case .not(let operand): return .bool(!(try value(operand).isPythonTrue))
    case .binary(let operation, let left, let right): return try binary(operation, left, right)
    case .conditional(let then, let condition, let otherwise):
      if try value(condition).isPythonTrue { return try found(then) }
      guard let otherwise else { return "" }
      return try found(otherwise)
    case .method(let target, let name, let arguments): return try method(name, of: try value(target), try values(arguments.values))
    case .filter(let target, let name, let arguments):
      if name == "default" {
        if let value = try found(target) { return value }
        return try value(arguments.values.first ?? .literal(""))
      }
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
    case .string(let text): return text.unicodeScalars.map { .string(String(Character($0))) }
    default: throw TemplateError("\(value.kind) where a list is needed")
    }
  }

  private func element(_ place: JSON, of whole: JSON) -> JSON? {
    switch (whole, place) {
    case (.object(let object), _): return object[place.pythonText]
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
