import Formats
import Tasks
import TensorCore
import Terminal
import Tokenization
import Transformer

/// A model that tasks are put to: opened and checked, not loaded yet.
struct Candidate {
  let path: String
  let source: ModelSource
  let tokenizer: Tokenizer
  let encoder: RequestEncoder
  /// Of the weights and the config.
  let fingerprint: String
  /// Of whatever determines what the model answers: weights, config, and how it reads texts.
  let identity: String

  init(_ path: String, _ arguments: Arguments) throws {
    self.path = path
    source = try Models.open(path)
    tokenizer = try Models.requiredTokenizer(of: source)
    encoder = try RequestEncoder(source, tokenizer, arguments)
    try source.checkFinite()
    fingerprint = source.fingerprint()
    var hash = SHA256()
    hash.update("\(fingerprint)\n\(encoder.prefix)\n")
    (source.tokenizer ?? []).withUnsafeBytes { hash.update($0) }
    identity = hash.hexDigest()
  }

  /// The file's own name.
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// Bytes that its weights take at most.
  var greatestBytes: Int { 4 * source.config.parameterCount }

  func examinee(on backend: any ComputeBackend) throws -> Examinee {
    Examinee(model: try Llama(source, on: backend), encoder: encoder, ends: Set(source.config.eosTokens.map(Int32.init)))
  }

  /// Why what both predict cannot be compared place by place; nil where it can.
  func difference(from other: Candidate) -> String? {
    if source.tokenizer != other.source.tokenizer || source.config.vocabularySize != other.source.config.vocabularySize
      || encoder.prefix != other.encoder.prefix
    {
      return "read texts as different tokens"
    }
    let (own, others) = (encoder.maxLength, other.encoder.maxLength)
    return own == others ? nil : "read up to \(own) and \(others) tokens (--max-length \(min(own, others)) makes them alike)"
  }
}

extension RequestEncoder {
  /// How a model reads questions, as the options say.
  init(_ source: ModelSource, _ tokenizer: Tokenizer, _ arguments: Arguments) throws {
    let (config, path) = (source.config, source.path)
    let asked = arguments.offers("max-length") ? arguments.int("max-length") : nil
    if let asked, asked > config.contextLength {
      throw UsageError(command: arguments.command, "--max-length \(asked): \(path) has a context of \(config.contextLength) tokens")
    }
    guard config.contextLength >= 2 else {
      throw CommandError("the model's context of \(config.contextLength) tokens has no room for a question", at: path)
    }
    func known(_ token: Int?) -> Int32? { token.flatMap { $0 < config.vocabularySize ? Int32($0) : nil } }
    guard let prefix = known(config.bosToken) ?? known(config.eosTokens.first) else {
      throw CommandError(
        "the model names neither a begin nor an end token, from which a text's first token could be predicted", at: path,
        advice: "its config.json should name one")
    }
    var begin: Int32?
    if arguments.offers("bos"), arguments.has("bos"), tokenizer.bosTokens.isEmpty {
      guard let token = known(config.bosToken) else {
        throw CommandError("the model names no begin token for --bos", at: path, advice: "leave --bos out")
      }
      begin = token
    }
    self.init(
      tokenizer, usesTemplate: !arguments.has("no-bos"), extraBegin: begin, prefix: prefix, maxLength: asked ?? config.contextLength)
  }
}
