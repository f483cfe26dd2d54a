import JSON

public enum TokenizerError: Error, Sendable, Equatable {
  case invalid(String)
}

/// A tokenizer.json of the Llama family.
public struct Tokenizer: Sendable {
  public init(json bytes: [UInt8]) throws(TokenizerError) { throw .invalid("not read yet") }
}
