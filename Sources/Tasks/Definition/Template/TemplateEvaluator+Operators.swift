import JSON

/// Operators and tests.
extension TemplateEvaluator {
  static let tests: Set = ["defined", "undefined", "none", "string", "number", "mapping", "sequence"]

  mutating func binary(_ operation: TemplateExpression.Operator, _ left: TemplateExpression, _ right: TemplateExpression)
    throws(TemplateError)
    -> JSON
  {
    let first = try value(left)
    switch operation {
    case .and: return first.isPythonTrue ? try value(right) : first
    case .or: return first.isPythonTrue ? first : try value(right)
    default: break
    }
    let second = try value(right)
    switch operation {
    case .joined: return try joined(try text(of: first), try text(of: second))
    case .plus, .minus, .times, .divided, .wholeDivided, .remainder: return try arithmetic(operation, first, second)
    default: return .bool(try holds(operation, first, second))
    }
  }

  /// `a < b < c`: true where every neighbour compares so; what stands behind the first that does not is left alone.
  mutating func chain(_ first: TemplateExpression, _ links: [TemplateExpression.Link]) throws(TemplateError) -> JSON {
    var left = try value(first)
    for link in links {
      let right = try value(link.operand)
      guard try holds(link.comparison, left, right) else { return false }
      left = right
    }
    return true
  }

  private mutating func holds(_ comparison: TemplateExpression.Operator, _ a: JSON, _ b: JSON) throws(TemplateError) -> Bool {
    try measure(a)
    try measure(b)
    switch comparison {
    case .equal: return a.isSame(b)
    case .unequal: return !a.isSame(b)
    case .contains: return try contains(b, a)
    case .containsNot: return !(try contains(b, a))
    case .less: return try precedes(a, b)
    case .greater: return try precedes(b, a)
    case .lessOrEqual: return !(try precedes(b, a))
    default: return !(try precedes(a, b))
    }
  }

  mutating func test(_ target: TemplateExpression, _ name: String) throws(TemplateError) -> Bool {
    if name == "defined" || name == "undefined" { return (try isDefined(target)) == (name == "defined") }
    let value = try value(target)
    switch name {
    case "none": return value.isNull
    case "string": return value.string != nil
    case "number": return value.number != nil
    case "mapping": return value.object != nil
    default: return value.array != nil || value.string != nil || value.object != nil
    }
  }

  private mutating func isDefined(_ target: TemplateExpression) throws(TemplateError) -> Bool {
    switch target {
    case .name(let name): return scope[name] != nil
    case .member(let whole, let name): return try value(whole)[name] != nil
    default:
      _ = try value(target)
      return true
    }
  }

  private func contains(_ whole: JSON, _ part: JSON) throws(TemplateError) -> Bool {
    switch (whole, part) {
    case (.array(let elements), _): return elements.contains { $0.isSame(part) }
    case (.object(let object), .string(let name)): return object[name] != nil
    case (.string(let text), .string(let part)): return PythonText.find(part, in: text) != nil
    default: throw TemplateError("\(part.kind) in \(whole.kind)")
    }
  }

  private func precedes(_ a: JSON, _ b: JSON) throws(TemplateError) -> Bool {
    if let a = a.number, let b = b.number { return a < b }
    if let a = a.string, let b = b.string { return a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars) }
    throw TemplateError("\(a.kind) compared with \(b.kind)")
  }

  private func joined(_ a: String, _ b: String) throws(TemplateError) -> JSON {
    try TemplateEvaluator.check(bytes: a.utf8.count + b.utf8.count)
    return .string(a + b)
  }

  func arithmetic(_ operation: TemplateExpression.Operator, _ a: JSON, _ b: JSON) throws(TemplateError) -> JSON {
    switch (operation, a, b) {
    case (.plus, .string(let a), .string(let b)): return try joined(a, b)
    case (.plus, .array(let a), .array(let b)):
      try TemplateEvaluator.check(elements: a.count + b.count)
      return .array(a + b)
    case (.times, .array(let elements), .int(let count)), (.times, .int(let count), .array(let elements)):
      let count = try repeats(count, elements.count * 32)
      return .array(Array(repeatElement(elements, count: count).joined()))
    case (.times, .string(let text), .int(let count)), (.times, .int(let count), .string(let text)):
      return .string(String(repeating: text, count: try repeats(count, text.utf8.count)))
    default: return try number(operation, a, b)
    }
  }

  private func repeats(_ count: Int, _ bytes: Int) throws(TemplateError) -> Int {
    let count = bytes == 0 ? 0 : max(0, count)
    let (total, overflow) = count.multipliedReportingOverflow(by: bytes)
    try TemplateEvaluator.check(bytes: overflow ? .max : total)
    return count
  }

  private func number(_ operation: TemplateExpression.Operator, _ a: JSON, _ b: JSON) throws(TemplateError) -> JSON {
    if let a = int(a), let b = int(b), operation != .divided {
      guard b != 0 || operation != .wholeDivided && operation != .remainder else { throw TemplateError("a division by 0") }
      let (result, overflow): (Int, Bool) =
        switch operation {
        case .plus: a.addingReportingOverflow(b)
        case .minus: a.subtractingReportingOverflow(b)
        case .times: a.multipliedReportingOverflow(by: b)
        case .wholeDivided: b == -1 ? (0 &- a, a == .min) : (flooredDivision(a, b).quotient, false)
        default: b == -1 ? (0, false) : (flooredDivision(a, b).remainder, false)
        }
      guard !overflow else { throw TemplateError("a number that does not fit 64 bits") }
      return .int(result)
    }
    guard let a = a.number, let b = b.number else { throw TemplateError("\(a.kind) \(operation.rawValue) \(b.kind)") }
    switch operation {
    case .plus: return .double(a + b)
    case .minus: return .double(a - b)
    case .times: return .double(a * b)
    case .divided where b != 0: return .double(a / b)
    case .wholeDivided where b != 0: return .double(((a - flooredRemainder(a, b)) / b).rounded())
    case .remainder where b != 0: return .double(flooredRemainder(a, b))
    default: throw TemplateError("a division by 0")
    }
  }

  /// Python rounds quotients down, so a remainder has the divisor's sign. The divisor is neither 0 nor -1.
  private func flooredDivision(_ a: Int, _ b: Int) -> (quotient: Int, remainder: Int) {
    let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
    return remainder != 0 && (remainder < 0) != (b < 0) ? (quotient - 1, remainder + b) : (quotient, remainder)
  }

  private func flooredRemainder(_ a: Double, _ b: Double) -> Double {
    let remainder = a.truncatingRemainder(dividingBy: b)
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
  }

  /// Whole numbers, and true and false, which Python takes for 1 and 0.
  private func int(_ value: JSON) -> Int? {
    switch value {
    case .int(let value): value
    case .bool(let isTrue): isTrue ? 1 : 0
    default: nil
    }
  }
}
