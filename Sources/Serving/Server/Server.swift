import Generation
import Glibc
import JSON
import Tokenization

/// Models over HTTP, in the words of OpenAI's API, and a page to talk to them.
///
/// One thread has the loop and everything here; each engine has another. Events of engines come through a mailbox.
///
///     let server = try Server([model], options)
///     let port = try server.listen()
///     let ending = server.run()
public final class Server {
  public struct Options: Sendable {
    public var host = "127.0.0.1"
    /// 0 for any that is free.
    public var port = 8080
    /// Who does not know it may only see the page and /health.
    public var key: String?
    /// A web origin whose pages may ask besides the server's own; "*" for all.
    public var origin: String?
    public var limits = RequestLimits()
    /// Seconds that answers have to come to their end when the server is asked to stop.
    public var graceSeconds = 30.0
    public var version = ""
    public var watchesSignals = true

    public init() {}

    /// Only this machine can connect.
    public var isLoopback: Bool { AccessRules(host: host, key: nil, origin: nil).isLoopback }
  }

  public enum Ending: Sendable { case finished, forced }

  let models: [ServedModel]
  let options: Options
  let rules: AccessRules
  let metrics: Metrics
  let page: Page
  private let http: HTTPServer
  private let mailbox: Mailbox
  private var jobs: [Int: AnswerJob] = [:]
  private var lastJob = 0
  private var exchanges = 0
  private var stopAsked: Double?
  private var ending = Ending.finished
  /// Told of what a person at the terminal should know.
  public var onNotice: (String) -> Void = { _ in }
  /// Told of every request that is over: "POST /v1/chat/completions 200, 420 ms".
  public var onAnswered: (String) -> Void = { _ in }

  public convenience init(_ models: [ServedModel], _ options: Options) throws(ServingError) {
    try self.init(models, options, page: .embedded)
  }

  init(_ models: [ServedModel], _ options: Options, page: Page) throws(ServingError) {
    precondition(!models.isEmpty && Set(models.map(\.id)).count == models.count, "a server's models need names of their own")
    (self.models, self.options, self.page) = (models, options, page)
    rules = AccessRules(host: options.host, key: options.key, origin: options.origin)
    metrics = Metrics(version: options.version)
    http = try HTTPServer(options.limits)
    mailbox = Mailbox(http.alarm)
    http.onRequest = { [unowned self] in received($0) }
    http.onRefusal = { [unowned self] in metrics.count("other", $0) }
    http.onAlarm = { [unowned self] in takeMail() }
    http.onTick = { [unowned self] in tick() }
    http.onSignal = { [unowned self] _ in askToStop() }
  }

  public var remote: ServerRemote { ServerRemote(mailbox: mailbox) }

  /// - Returns: the port.
  public func listen() throws(ServingError) -> Int { try http.listen(host: options.host, port: options.port) }

  /// Serves until it is asked to stop.
  public func run() -> Ending {
    if options.watchesSignals { http.watchSignals() }
    http.run()
    for job in jobs.values { job.abandon() }
    return ending
  }

  // MARK: Requests

  private func received(_ exchange: Exchange) {
    let route = Route(exchange.head)
    exchanges += 1
    // 499 is nginx's number for clients who left.
    var status = 499
    exchange.onStatus = { status = $0 }
    exchange.onOver = { [unowned self, unowned exchange] in
      metrics.count(route.label, status)
      let milliseconds = Int((Clock.now - exchange.start) * 1000)
      onAnswered("\(exchange.head.method.rawValue) \(exchange.head.path) \(status), \(milliseconds) ms")
      exchanges -= 1
      leaveIfDone()
    }
    exchange.headers = rules.headers(for: exchange.head)
    do throws(APIError) {
      try rules.check(exchange.head)
      if let reply = try reply(to: route, exchange) { exchange.reply(reply) }
    } catch {
      exchange.reply(error.reply)
    }
  }

  /// nil where the answer takes its time.
  private func reply(to route: Route, _ exchange: Exchange) throws(APIError) -> Reply? {
    if exchange.head.method == .options, rules.origin != nil { return rules.preflight(exchange.head) }
    try route.check(exchange.head.method)
    switch route {
    case .page: return page.reply
    case .health: return stopAsked == nil ? .json(["status": "ok"]) : APIError.goingDown.reply
    case .metrics:
      metrics.connections = http.connectionCount
      return Reply(type: "text/plain; version=0.0.4; charset=utf-8", body: Array(metrics.text(of: models).utf8))
    case .models: return .json(["object": "list", "data": .array(models.map(entry))])
    case .model(let id): return .json(entry(try model(id)))
    case .chat:
      let request = try ChatRequest(exchange.body)
      return try answer(try model(request.model), order(for: request, try model(request.model)), exchange)
    case .completions:
      let request = try CompletionRequest(exchange.body)
      return try answer(try model(request.model), order(for: request, try model(request.model)), exchange)
    case .unknown: throw .notFound("there is no '\(exchange.head.path.prefix(200))' here")
    }
  }

  private func entry(_ model: ServedModel) -> JSON {
    ["id": .string(model.id), "object": "model", "created": .int(metrics.startSeconds), "owned_by": "hoof", "hoof": model.facts]
  }

  /// - Parameter id: nil for the first.
  private func model(_ id: String?) throws(APIError) -> ServedModel {
    guard let id else { return models[0] }
    if let model = models.first(where: { $0.id == id }) { return model }
    let names = models.map { "'\($0.id)'" }.joined(separator: ", ")
    throw APIError(
      status: 404, message: "there is no model '\(id.prefix(200))' here, but \(names)", param: "model", code: "model_not_found")
  }

  private func order(for request: ChatRequest, _ model: ServedModel) throws(APIError) -> AnswerJob.Order {
    let prompt: ChatPrompt.Prompt
    do { prompt = try model.chat(request.messages) } catch {
      throw APIError(message: "\(error)", param: "messages", code: "invalid_messages")
    }
    let generation = GenerationRequest(
      prompt: prompt.ids, limit: request.options.limit, stopTokens: prompt.stopTokens,
      stopStrings: prompt.stopStrings + request.options.stops,
      logprobs: request.logprobs, leading: prompt.leading)
    return .init(prompts: [generation], options: request.options, format: format(.chat, model, request.options, request.logprobs))
  }

  private func order(for request: CompletionRequest, _ model: ServedModel) -> AnswerJob.Order {
    let prompts = request.prompts.map { prompt in
      let ids =
        switch prompt {
        case .text(let text): model.encode(text)
        case .ids(let ids): ids
        }
      return GenerationRequest(
        prompt: ids, limit: request.options.limit, stopTokens: model.ends, stopStrings: request.options.stops, logprobs: request.logprobs)
    }
    return .init(prompts: prompts, options: request.options, format: format(.completion, model, request.options, request.logprobs))
  }

  private func format(_ endpoint: AnswerFormat.Endpoint, _ model: ServedModel, _ options: AnswerOptions, _ logprobs: Int?) -> AnswerFormat {
    AnswerFormat(endpoint, model: model.id, logprobs: logprobs, streams: options.streams, streamsUsage: options.streamsUsage)
  }

  private func answer(_ model: ServedModel, _ order: AnswerJob.Order, _ exchange: Exchange) throws(APIError) -> Reply? {
    if stopAsked != nil { throw .goingDown }
    lastJob += 1
    let number = lastJob
    let job = AnswerJob(number, order, for: model, on: exchange, metrics)
    exchange.onLost = { [unowned self] in jobs.removeValue(forKey: number)?.abandon() }
    jobs[number] = job
    do throws(APIError) { try job.start(mailbox) } catch {
      jobs[number] = nil
      throw error
    }
    return nil
  }

  // MARK: Events

  private func takeMail() {
    var touched: Set<Int> = []
    for message in mailbox.empty() {
      switch message {
      case .event(let number, let choice, let event):
        guard let job = jobs[number] else { continue }
        job.take(choice, event)
        touched.insert(number)
        if job.isOver { jobs[number] = nil }
      case .stop: askToStop()
      }
    }
    for number in touched { jobs[number]?.flush() }
  }

  private func tick() {
    if let stopAsked, Clock.now - stopAsked > options.graceSeconds { force() }
  }

  /// The first time: what has begun is finished. The second time: it is not.
  private func askToStop() {
    guard stopAsked == nil else { return force() }
    stopAsked = Clock.now
    http.stopListening()
    if exchanges > 0 {
      let count = exchanges == 1 ? "an answer" : "\(exchanges) answers"
      onNotice("finishing \(count), for \(Int(options.graceSeconds)) seconds at most; once more stops at once")
    }
    leaveIfDone()
  }

  private func force() {
    ending = .forced
    http.leave()
  }

  private func leaveIfDone() { if stopAsked != nil, exchanges == 0 { http.leave() } }
}
