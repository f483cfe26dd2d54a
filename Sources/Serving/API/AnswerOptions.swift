import Generation
import JSON
import Transformer

/// What both endpoints take besides the text.
struct AnswerOptions: Sendable, Equatable {
  var sampling: Sampler.Options
  var limit: Int?
  var stops: [String]
  var choices: Int
  var streams: Bool
  /// A last chunk with the counts of tokens.
  var streamsUsage: Bool

  /// Most answers to one request.
  static let mostChoices = 16

  /// - Parameter limit: most tokens where the request does not say; nil for what the context leaves.
  init(_ fields: RequestFields, limit: Int?) throws(APIError) {
    try fields.refuseUnknownWays()
    // Defaults as in OpenAI's API.
    sampling = Sampler.Options(
      temperature: try fields.double("temperature", 0...2) ?? 1, topK: try fields.int("top_k", -1...Int.max),
      topP: try fields.double("top_p", 0...1) ?? 1, minP: try fields.double("min_p", 0...1) ?? 0,
      repetitionPenalty: try fields.double("repetition_penalty", 0.01...100) ?? 1,
      seed: try fields.int("seed", Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) } ?? UInt64.random(in: 0 ... .max))
    // -1 and 0 mean all, as in vLLM and llama.cpp; the nucleus of probability 0 is the likeliest token.
    if let topK = sampling.topK, topK < 1 { sampling.topK = nil }
    if sampling.topP == 0 { (sampling.topP, sampling.topK) = (1, 1) }
    let asked = try fields.int("max_completion_tokens", 1...Int.max)
    self.limit = try fields.int("max_tokens", 1...Int.max).map { max in asked.map { min($0, max) } ?? max } ?? asked ?? limit
    stops = try fields.strings("stop", most: GenerationRequest.mostStopStrings)
    if stops.contains(where: \.isEmpty) { throw APIError(message: "'stop' has an empty string", param: "stop", code: "invalid_value") }
    if stops.contains(where: { $0.utf8.count > GenerationRequest.longestStopString }) {
      throw APIError(
        message: "'stop' has a string longer than \(GenerationRequest.longestStopString) bytes", param: "stop", code: "invalid_value")
    }
    choices = try fields.int("n", 1...Self.mostChoices) ?? 1
    if let best = try fields.int("best_of", 1...Self.mostChoices), best != choices {
      throw APIError(message: "'best_of' other than 'n' is not supported", param: "best_of", code: "unsupported_parameter")
    }
    streams = try fields.bool("stream") ?? false
    streamsUsage = try Self.includesUsage(fields) && streams
  }

  private static func includesUsage(_ fields: RequestFields) throws(APIError) -> Bool {
    guard let options = fields["stream_options"] else { return false }
    guard options.object != nil else { throw RequestFields.wrong("stream_options", "an object") }
    guard let value = options["include_usage"], !value.isNull else { return false }
    guard let includes = value.bool else { throw RequestFields.wrong("stream_options.include_usage", "true or false") }
    return includes
  }

  /// The options of the answer with this number: each has draws of its own.
  func sampling(of choice: Int) -> Sampler.Options {
    var options = sampling
    options.seed &+= UInt64(choice)
    return options
  }
}
