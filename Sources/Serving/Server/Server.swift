import Generation
import Glibc
import JSON
import Tokenization

/// Models over HTTP, in the words of OpenAI's API, and a page to talk to them.
///
/// One thread has the loop and everything here, each engine another, and one more makes prompts. What they have for the loop comes through a
/// mailbox.
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
  private let reader: PromptReader
  private let preparer = Preparer()
  /// Requests whose prompts are being made.
  private var unprepared: [Int: Exchange] = [:]
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
    reader = PromptReader(models: models)
    http.onRequest = { [unowned self] in received($0) }
    http.onRefusal = { [unowned self] in metrics.count("other", $0) }
    http.onAlarm = { [unowned self] in takeMail() }
    http.onTick = { [unowned self] in tick() }
    http.onSignal = { [unowned self] _ in askToStop() }
  }

  public var remote: ServerRemote { ServerRemote(mailbox: mailbox) }

  /// From now on connections wait to be served, and Ctrl-C for `run`.
  /// - Returns: the port.
  public func listen() throws(ServingError) -> Int {
    let port = try http.listen(host: options.host, port: options.port)
    if options.watchesSignals { http.watchSignals() }
    return port
  }

  /// Serves until it is asked to stop.
  public func run() -> Ending {
    http.run()
    preparer.end()
    return ending
  }

  // MARK: Requests

  private func received(_ exchange: Exchange) {
    let route = Route(exchange.head)
    exchanges += 1
    // 499 is nginx's number for clients who left.
    var status = 499
    exchange.onStatus = { status = $0 }
    exchange.onLost = { status = 499 }
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
    case .model(let id): return .json(entry(try reader.model(id)))
    case .chat: return try prepare(exchange, for: .chat)
    case .completions: return try prepare(exchange, for: .completion)
    case .unknown: throw .notFound("there is no '\(exchange.head.path.prefix(200))' here")
    }
  }

  private func entry(_ model: ServedModel) -> JSON {
    ["id": .string(model.id), "object": "model", "created": .int(metrics.startSeconds), "owned_by": "hoof", "hoof": model.facts]
  }

  /// The prompt is made on another thread, and the answer begins when it is there.
  private func prepare(_ exchange: Exchange, for endpoint: AnswerFormat.Endpoint) throws(APIError) -> Reply? {
    if stopAsked != nil { throw .goingDown }
    lastJob += 1
    let number = lastJob
    unprepared[number] = exchange
    let lost = exchange.onLost
    exchange.onLost = { [unowned self] in
      lost()
      unprepared[number] = nil
      jobs.removeValue(forKey: number)?.abandon()
    }
    let (body, reader, mailbox) = (exchange.body, reader, mailbox)
    preparer.run { mailbox.post(.prepared(job: number, reader.read(body, for: endpoint))) }
    return nil
  }

  private func begin(_ number: Int, _ result: Result<PromptReader.Reading, APIError>) {
    guard let exchange = unprepared.removeValue(forKey: number) else { return }
    do throws(APIError) {
      let reading = try result.get()
      let job = AnswerJob(number, reading.order, for: reading.model, on: exchange, metrics)
      jobs[number] = job
      try job.start(mailbox)
    } catch {
      jobs[number] = nil
      exchange.reply(error.reply)
    }
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
      case .prepared(let number, let result): begin(number, result)
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
