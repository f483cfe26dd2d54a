import Generation
import JSON

/// One request for answers, from the prompt to the last byte. Touched by the loop's thread alone; engines reach it through the mailbox.
final class AnswerJob {
  /// A prompt and how its answers are made.
  struct Order: Sendable {
    let prompts: [GenerationRequest]
    let options: AnswerOptions
    let format: AnswerFormat
  }

  let number: Int
  private let exchange: Exchange
  private let model: ServedModel
  private let order: Order
  private let metrics: Metrics
  private var choices: [AnswerFormat.Choice]
  private var usages: [Usage?]
  private var controls: [any AnswerControl] = []
  private var firstText: Double?
  /// Events that have not been handed on.
  private var pending = ""
  private var isPaused = false
  private var failure: APIError?
  private(set) var isOver = false

  /// Bytes that may wait for a reader before the engine is asked to wait too.
  private static let mostPending = 64 << 10

  init(_ number: Int, _ order: Order, for model: ServedModel, on exchange: Exchange, _ metrics: Metrics) {
    (self.number, self.order, self.model, self.exchange, self.metrics) = (number, order, model, exchange, metrics)
    let count = order.prompts.count * order.options.choices
    choices = Array(repeating: .init(), count: count)
    usages = Array(repeating: nil, count: count)
  }

  /// Hands the request to the engine: all of its answers, or none.
  func start(_ mailbox: Mailbox) throws(APIError) {
    for (index, prompt) in order.prompts.enumerated() {
      for choice in 0..<order.options.choices {
        var request = prompt
        request.sampling = order.options.sampling(of: index * order.options.choices + choice)
        let (job, place) = (number, controls.count)
        do throws(GenerationError) {
          controls.append(
            try model.engine.begin(request) { event in mailbox.post(.event(job: job, choice: place, event)) })
        } catch {
          for control in controls { control.cancel() }
          var answer = APIError(error)
          if order.format.endpoint == .completion, answer.param != nil { answer.param = "prompt" }
          throw answer
        }
      }
    }
    guard order.options.streams else { return }
    metrics.streams += 1
    exchange.onDrained = { [weak self] in self?.drained() }
    exchange.begin(type: Reply.eventType)
    for index in choices.indices { pending += order.format.opening(index) }
    flush()
  }

  /// Something has happened to a choice. `flush` then sends what came of it.
  func take(_ choice: Int, _ event: GenerationEvent) {
    guard !isOver else { return }
    switch event {
    case .text(let text, let tokens):
      if firstText == nil { firstText = Clock.now - exchange.start }
      if order.options.streams {
        pending += order.format.piece(choice, text, tokens, offset: &choices[choice].offset)
      } else {
        choices[choice].text += text
        if order.format.logprobs != nil { choices[choice].tokens += tokens }
      }
    case .finished(let reason, let usage):
      choices[choice].reason = reason
      usages[choice] = usage
      metrics.count(model.id, reason, usage, seconds: Clock.now - exchange.start, firstToken: firstText)
      switch reason {
      case .stop, .length: if order.options.streams { pending += order.format.closing(choice, reason) }
      case .cancelled: fail(.goingDown)
      case .failed(let message): fail(APIError(status: 500, message: "the answer failed: \(message)", code: "generation_failed"))
      }
      if failure != nil || usages.allSatisfy({ $0 != nil }) { finish() }
    }
  }

  private func fail(_ error: APIError) {
    guard failure == nil else { return }
    failure = error
    // One answer of several is no answer: the others need not be written.
    for (index, control) in controls.enumerated() where usages[index] == nil { control.cancel() }
  }

  private func finish() {
    isOver = true
    let usage = AnswerFormat.usage(promptTokens: order.prompts.reduce(0) { $0 + $1.prompt.count }, usages.compactMap(\.self))
    if order.options.streams {
      metrics.streams -= 1
      if let failure {
        pending += AnswerFormat.errorEvent(failure)
      } else {
        if order.format.streamsUsage { pending += order.format.usageEvent(usage) }
        pending += AnswerFormat.lastEvent
      }
      flush()
      exchange.end()
    } else {
      exchange.reply(failure?.reply ?? .json(order.format.whole(choices, usage)))
    }
  }

  /// Sends what has gathered, and has the engine wait where the reader is too slow.
  func flush() {
    guard !pending.isEmpty else { return }
    exchange.send(Array(pending.utf8))
    pending = ""
    guard !isOver, !isPaused, exchange.pending > Self.mostPending else { return }
    isPaused = true
    for control in controls { control.pause() }
  }

  private func drained() {
    guard isPaused else { return }
    isPaused = false
    for control in controls { control.resume() }
  }

  /// The client left, or the server will not wait any longer: nothing more is written.
  func abandon() {
    guard !isOver else { return }
    isOver = true
    if order.options.streams { metrics.streams -= 1 }
    for (index, control) in controls.enumerated() where usages[index] == nil { control.cancel() }
    let seconds = Clock.now - exchange.start
    for (index, usage) in usages.enumerated() where usage == nil {
      // What the engine counts for it comes too late for anybody here.
      let prompt = order.prompts[index / order.options.choices].prompt.count
      metrics.count(
        model.id, .cancelled, Usage(promptTokens: prompt, answerTokens: 0, reusedTokens: 0), seconds: seconds, firstToken: firstText)
    }
  }
}
