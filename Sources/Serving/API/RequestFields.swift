import JSON

/// The members of a request's object, read by name and type. null is as good as absent, as in OpenAI's API; what nobody asks for is ignored.
struct RequestFields {
  let object: JSON.Object

  init(_ body: [UInt8]) throws(APIError) {
    let value: JSON
    do throws(JSONError) { value = try JSON(parsing: body) } catch {
      throw APIError(message: body.isEmpty ? "the request has no body; a JSON object is expected" : "the body is \(error)")
    }
    guard let object = value.object else { throw APIError(message: "the body is not a JSON object") }
    self.object = object
  }

  subscript(name: String) -> JSON? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  static func wrong(_ name: String, _ expected: String) -> APIError {
    APIError(message: "'\(name)' must be \(expected)", param: name, code: "invalid_type")
  }

  func string(_ name: String) throws(APIError) -> String? {
    guard let value = self[name] else { return nil }
    guard let text = value.string else { throw Self.wrong(name, "a string") }
    return text
  }

  func bool(_ name: String) throws(APIError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let truth = value.bool else { throw Self.wrong(name, "true or false") }
    return truth
  }

  func int(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = self[name] else { return nil }
    guard let number = value.int else { throw Self.wrong(name, "a whole number") }
    guard range.contains(number) else {
      let words = range.upperBound == .max ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      throw APIError(message: "'\(name)' is \(number); it must be \(words)", param: name, code: "invalid_value")
    }
    return number
  }

  func double(_ name: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = self[name] else { return nil }
    guard let number = value.double else { throw Self.wrong(name, "a number") }
    guard range.contains(number) else {
      throw APIError(
        message: "'\(name)' is \(number); it must be \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))", param: name,
        code: "invalid_value")
    }
    return number
  }

  private static func text(_ number: Double) -> String { Int(exactly: number).map { "\($0)" } ?? "\(number)" }

  /// A string, or an array of strings; empty when absent.
  func strings(_ name: String, most: Int) throws(APIError) -> [String] {
    guard let value = self[name] else { return [] }
    if let text = value.string { return [text] }
    let texts = value.array?.compactMap(\.string)
    guard let texts, texts.count == value.array?.count else { throw Self.wrong(name, "a string or an array of strings") }
    guard texts.count <= most else {
      throw APIError(message: "'\(name)' has \(texts.count) entries; at most \(most) are taken", param: name, code: "invalid_value")
    }
    return texts
  }

  /// Options of the API that would change the answer and that nothing here does: refused rather than ignored, unless they ask for what happens
  /// anyway.
  func refuseUnknownWays() throws(APIError) {
    func refuse(_ name: String, _ reason: String) throws(APIError) {
      throw APIError(message: "'\(name)': \(reason)", param: name, code: "unsupported_parameter")
    }
    for name in ["presence_penalty", "frequency_penalty"] {
      if try double(name, -2...2) ?? 0 != 0 { try refuse(name, "not supported; 'repetition_penalty' is") }
    }
    if let bias = self["logit_bias"], bias != .object([:]) { try refuse("logit_bias", "not supported") }
    for name in ["tools", "functions"] {
      if let list = self[name], list != .array([]) { try refuse(name, "calling tools is not supported") }
    }
    if let format = self["response_format"], format["type"]?.string != "text" { try refuse("response_format", "only text is supported") }
    if let kinds = self["modalities"], kinds != .array(["text"]) { try refuse("modalities", "only text is supported") }
    if try string("suffix") ?? "" != "" { try refuse("suffix", "filling in is not supported") }
    if try bool("echo") == true { try refuse("echo", "not supported") }
  }
}
