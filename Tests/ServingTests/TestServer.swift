import Glibc
import JSON
import Synchronization
import Testing
import Tokenization

@testable import Generation
@testable import Serving

/// A server on a port of its own and a thread of its own, over fake engines. It stops with the test.
final class TestServer: Sendable {
  private struct State: Sendable {
    var port = 0
    var remote: ServerRemote?
    var failure: String?
    var ending: Server.Ending?
  }

  private final class Start: Sendable {
    let models: [ServedModel]
    let options: Server.Options
    let page: Page
    let state = Mutex(State())

    init(_ models: [ServedModel], _ options: Server.Options, _ page: Page) {
      (self.models, self.options, self.page) = (models, options, page)
    }

    func run() {
      do throws(ServingError) {
        let server = try Server(models, options, page: page)
        let port = try server.listen()
        state.withLock { ($0.port, $0.remote) = (port, server.remote) }
        let ending = server.run()
        state.withLock { $0.ending = ending }
      } catch { state.withLock { $0.failure = "\(error)" } }
    }
  }

  private let start: Start
  let port: Int

  static let html = "<!doctype html><style>p{}</style><p>hi</p><script>1</script>"

  convenience init(_ engine: FakeEngine, _ change: (inout Server.Options) -> Void = { _ in }) throws {
    try self.init(["toy": engine], change)
  }

  init(_ engines: [String: FakeEngine], _ change: (inout Server.Options) -> Void = { _ in }) throws {
    var options = Server.Options()
    (options.port, options.watchesSignals) = (0, false)
    change(&options)
    let models = engines.sorted { $0.key < $1.key }.map { TestServer.model($0.key, $0.value) }
    start = Start(models, options, Page(html: Array(Self.html.utf8)))
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(start).toOpaque())
    pthread_detach(thread)
    var state = State()
    for _ in 0..<1000 {
      state = start.state.withLock { $0 }
      if state.remote != nil || state.failure != nil { break }
      usleep(5000)
    }
    port = state.port
    if let failure = state.failure { throw ServingError(failure) }
    try #require(port > 0, "the server has not started")
  }

  deinit { stop() }

  /// Ids are the bytes of what was said.
  private static func model(_ id: String, _ engine: FakeEngine) -> ServedModel {
    ServedModel(
      id: id, engine: engine,
      chat: { messages in
        if messages.last?.role != "user" { throw ServingError("the last message is not the user's") }
        return .init(
          ids: messages.map { "\($0.role): \($0.content)\n" }.joined().utf8.map(Int32.init), stopTokens: [0], stopStrings: [], leading: "")
      },
      encode: { $0.utf8.map(Int32.init) }, ends: [0], mostBytes: 100_000, facts: ["layers": 2])
  }

  func stop() { start.state.withLock { $0.remote }?.stop() }

  /// How the server ended; nil when it has not after some seconds.
  func ending(within seconds: Double = 10) -> Server.Ending? {
    for _ in 0..<Int(seconds * 200) {
      if let ending = start.state.withLock({ $0.ending }) { return ending }
      usleep(5000)
    }
    return nil
  }

  /// Waits for what another thread brings about.
  static func eventually(within seconds: Double = 10, _ condition: () -> Bool) -> Bool {
    for _ in 0..<Int(seconds * 200) {
      if condition() { return true }
      usleep(5000)
    }
    return condition()
  }

  // MARK: Asking

  func connect() throws -> RawClient { try RawClient(port: port) }

  /// One request on a connection of its own.
  func ask(_ method: String, _ path: String, _ headers: [String] = [], body: String = "") throws -> RawClient.Answer {
    let client = try connect()
    try client.send(RawClient.request(method, path, headers + ["Connection: close"], body: body))
    return try #require(try client.answer(to: method))
  }

  func post(_ path: String, _ body: String, _ headers: [String] = []) throws -> RawClient.Answer {
    try ask("POST", path, headers, body: body)
  }
}
