import Generation
import JSON
import Tokenization

/// What a request's body asks of which model, in tokens. On any thread.
struct PromptReader: Sendable {
  let models: [ServedModel]

  struct Reading: Sendable {
    let model: ServedModel
    let order: AnswerJob.Order
  }

  func read(_ body: [UInt8], for endpoint: AnswerFormat.Endpoint) -> Result<Reading, APIError> {
    do throws(APIError) {
      switch endpoint {
      case .chat:
        let request = try ChatRequest(body)
        let model = try model(request.model)
        return .success(.init(model: model, order: try order(for: request, model)))
      case .completion:
        let request = try CompletionRequest(body)
        let model = try model(request.model)
        return .success(.init(model: model, order: try order(for: request, model)))
      }
    } catch { return .failure(error) }
  }

  /// - Parameter id: nil for the first.
  func model(_ id: String?) throws(APIError) -> ServedModel {
    guard let id else { return models[0] }
    if let model = models.first(where: { $0.id == id }) { return model }
    let names = models.map { "'\($0.id)'" }.joined(separator: ", ")
    throw APIError(
      status: 404, message: "there is no model '\(id.prefix(200))' here, but \(names)", param: "model", code: "model_not_found")
  }

  private func order(for request: ChatRequest, _ model: ServedModel) throws(APIError) -> AnswerJob.Order {
    try check(request.messages.reduce(0) { $0 + $1.content.utf8.count }, model, "messages")
    let prompt: ChatPrompt.Prompt
    do { prompt = try model.chat(request.messages) } catch {
      throw APIError(message: "\(error)", param: "messages", code: "invalid_messages")
    }
    let generation = GenerationRequest(
      prompt: prompt.ids, limit: request.options.limit, stopTokens: prompt.stopTokens,
      stopStrings: prompt.stopStrings + request.options.stops, logprobs: request.logprobs, leading: prompt.leading)
    return .init(prompts: [generation], options: request.options, format: format(.chat, model, request.options, request.logprobs))
  }

  private func order(for request: CompletionRequest, _ model: ServedModel) throws(APIError) -> AnswerJob.Order {
    var prompts: [GenerationRequest] = []
    for prompt in request.prompts {
      let ids: [Int32]
      switch prompt {
      case .text(let text):
        try check(text.utf8.count, model, "prompt")
        ids = model.encode(text)
      case .ids(let given): ids = given
      }
      prompts.append(
        GenerationRequest(
          prompt: ids, limit: request.options.limit, stopTokens: model.ends, stopStrings: request.options.stops,
          logprobs: request.logprobs))
    }
    return .init(prompts: prompts, options: request.options, format: format(.completion, model, request.options, request.logprobs))
  }

  /// A text that is too long whatever its tokens are need not be cut into them.
  private func check(_ bytes: Int, _ model: ServedModel, _ param: String) throws(APIError) {
    guard bytes > model.mostBytes else { return }
    throw APIError(
      message: "the prompt has \(bytes) bytes; the context of '\(model.id)' holds \(model.mostBytes) at the very most", param: param,
      code: "context_length_exceeded")
  }

  private func format(
    _ endpoint: AnswerFormat.Endpoint, _ model: ServedModel, _ options: AnswerOptions, _ logprobs: Int?
  ) -> AnswerFormat {
    AnswerFormat(endpoint, model: model.id, logprobs: logprobs, streams: options.streams, streamsUsage: options.streamsUsage)
  }
}
