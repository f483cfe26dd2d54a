import Generation
import Glibc
import Testing

@testable import Serving

/// What clients do to a connection, and what becomes of it.
struct ConnectionTests {
  static let stream = RawClient.request("POST", "/v1/completions", body: #"{"prompt": "p", "stream": true}"#)
  static let whole = RawClient.request("POST", "/v1/completions", body: #"{"prompt": "p"}"#)

  @Test("a connection serves one request after another, also when they come at once or in crumbs")
  func keepAlive() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop)))
    let client = try server.connect()
    for _ in 0..<3 {
      try client.send(Self.whole)
      #expect(try client.answer()?.status == 200)
    }
    try client.send(Self.whole + RawClient.request("GET", "/health") + Self.stream + RawClient.request("GET", "/nothing"))
    #expect(
      try [client.answer()?.status, client.answer()?.status, client.answer()?.status, client.answer()?.status] == [200, 200, 200, 404])
    for byte in Self.whole.utf8 { try client.send([byte]) }
    #expect(try client.answer()?.status == 200)
    try client.send(RawClient.request("GET", "/health", ["Connection: close"]))
    #expect(try client.answer()?.headers["connection"] == "close")
    #expect(client.isEnded())
  }

  @Test("requests that come while an answer is made wait for their turn, and do no harm")
  func pipelined() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine)
    let client = try server.connect()
    try client.send(Self.whole)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    try client.send(Self.whole)
    #expect(try server.ask("GET", "/health").status == 200)
    #expect(engine.taken.count == 1)
    engine.say("a")
    engine.end()
    #expect(try client.answer()?.status == 200)
    #expect(TestServer.eventually { engine.taken.count == 2 })
    engine.end(1)
    #expect(try client.answer()?.status == 200)
  }

  @Test("HTTP/1.0 gets a stream that ends with the connection")
  func oldProtocol() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop)))
    let client = try server.connect()
    let body = #"{"prompt": "p", "stream": true}"#
    try client.send("POST /v1/completions HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    let answer = try #require(try client.answer())
    #expect(answer.status == 200 && answer.events.last == "[DONE]" && answer.headers["transfer-encoding"] == nil)
  }

  @Test("what is too much or wrong is refused with a status, an error of JSON and the connection's end")
  func refused() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop))) { $0.limits.bodyBytes = 1000 }
    let cases: [(String, Int)] = [
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
      ("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 20000))", 431),
      ("\u{16}\u{3}\u{1}\r\n", 400), ("GET /\r\n\r\n", 400),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", 411),
    ]
    for (text, status) in cases {
      let client = try server.connect()
      try client.send(text)
      let answer = try client.answer()
      #expect(answer?.status == status && answer?.error?["message"]?.string != nil && answer?.headers["connection"] == "close", "\(status)")
      #expect(client.isEnded())
    }
    #expect(try server.ask("GET", "/health").status == 200)
  }

  @Test("a body of 100 MB is refused, and its sender can read why although it has sent all of it")
  func largeBody() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop)))
    let client = try server.connect()
    try client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n")
    let megabyte = [UInt8](repeating: 0x61, count: 1 << 20)
    for _ in 0..<100 { try client.send(megabyte) }
    #expect(try client.answer()?.status == 413)
  }

  @Test("bodies that are held take only so much memory together")
  func heldBodies() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine) { $0.limits.allBodyBytes = 40 }
    let (first, second) = (try server.connect(), try server.connect())
    try first.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    try second.send(Self.stream)
    let refused = try #require(try second.answer())
    #expect(refused.status == 503 && refused.headers["retry-after"] == "1")
    engine.end()
    #expect(try first.answer()?.status == 200)
    #expect(try server.ask("POST", "/v1/models", body: "x").status == 405)
  }

  @Test("a client who waits to be told to go on is told")
  func expectation() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop)))
    let client = try server.connect()
    let body = #"{"prompt": "p"}"#
    try client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
    #expect(try client.wait(for: "HTTP/1.1 100 Continue\r\n\r\n"))
    try client.send(body)
    #expect(try client.answer()?.status == 200)
  }

  @Test(
    "half a request is waited for, and then it is late",
    arguments: ["GET / HT", "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"])
  func late(text: String) throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop))) { ($0.limits.headSeconds, $0.limits.bodySeconds) = (0.3, 0.3) }
    let client = try server.connect()
    try client.send(text)
    #expect(try client.answer()?.status == 408)
    #expect(client.isEnded())
  }

  @Test("a connection that says nothing is ended, without a word")
  func idle() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop))) { $0.limits.idleSeconds = 0.3 }
    let client = try server.connect()
    #expect(client.isEnded())
  }

  @Test("who leaves is not written for any longer", arguments: [stream, whole])
  func leaving(request: String) throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine)
    let client = try server.connect()
    try client.send(request)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    engine.say("a")
    client.close()
    #expect(TestServer.eventually { engine.taken[0].isCancelled })
    // What the engine had under way comes to nobody.
    engine.say("b")
    #expect(try server.ask("GET", "/metrics").body.contains("hoof_requests_total{path=\"/v1/completions\",status=\"499\"} 1\n"))
  }

  @Test("the engine waits for a reader who is slow, and goes on when he has read")
  func backPressure() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine)
    let client = try RawClient(port: server.port, receiveBuffer: 4096)
    try client.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    let piece = String(repeating: "x", count: 10_000)
    var said = 0
    while !engine.taken[0].isPaused, said < 2000 {
      engine.say(piece)
      said += 1
      if said % 10 == 0 { _ = TestServer.eventually(within: 0.05) { engine.taken[0].isPaused } }
    }
    #expect(engine.taken[0].isPaused, "after \(said * 10) kB nobody minded")
    // The loop is not held up by it.
    #expect(try server.ask("GET", "/health").status == 200)
    engine.end()
    let answer = try #require(try client.answer())
    #expect(answer.eventJSON.count { $0["choices"]?.array?[0]["text"]?.string == piece } == said && answer.events.last == "[DONE]")
  }

  @Test("a reader who takes nothing at all loses his connection and his answer")
  func stalled() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine) { $0.limits.stallSeconds = 0.5 }
    let client = try RawClient(port: server.port, receiveBuffer: 4096)
    try client.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    for _ in 0..<200 { engine.say(String(repeating: "x", count: 10_000)) }
    #expect(TestServer.eventually { engine.taken[0].isCancelled })
  }

  @Test("how long a reader waited for the engine does not count against him")
  func patient() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine) { $0.limits.stallSeconds = 1.5 }
    let client = try RawClient(port: server.port, receiveBuffer: 4096)
    try client.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    usleep(2_000_000)
    // Too much for the sockets' buffers: some of it waits when the loop looks at the time next, which it does twice a second.
    for _ in 0..<100 { engine.say(String(repeating: "x", count: 10_000)) }
    usleep(700_000)
    engine.end()
    #expect(try client.answer()?.events.last == "[DONE]")
  }

  @Test("more connections than may be wait outside until one goes")
  func connectionLimit() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop))) { $0.limits.connections = 2 }
    let (first, second) = (try server.connect(), try server.connect())
    for client in [first, second] {
      try client.send(Self.whole)
      #expect(try client.answer()?.status == 200)
    }
    let third = try server.connect()
    try third.send(Self.whole)
    first.close()
    #expect(try third.answer()?.status == 200)
    try second.send(Self.whole)
    #expect(try second.answer()?.status == 200)
  }

  @Test("asked to stop, the server finishes what it has begun and takes nothing new")
  func stopping() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine)
    let (busy, waiting) = (try server.connect(), try server.connect())
    try waiting.send(RawClient.request("GET", "/health"))
    #expect(try waiting.answer()?.status == 200)
    try busy.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    server.stop()
    #expect(waiting.isEnded())
    #expect(TestServer.eventually { (try? server.connect()) == nil })
    engine.say("last words")
    engine.end()
    #expect(try busy.answer()?.events.last == "[DONE]")
    #expect(server.ending() == .finished)
  }

  @Test("asked twice, it does not wait")
  func forced() throws {
    let engine = FakeEngine(.waits)
    let server = try TestServer(engine)
    let client = try server.connect()
    try client.send(Self.stream)
    #expect(TestServer.eventually { engine.taken.count == 1 })
    server.stop()
    #expect(server.ending(within: 0.3) == nil)
    server.stop()
    #expect(server.ending() == .forced)
    #expect(engine.taken[0].isCancelled)
  }

  @Test("a port that is taken is said in words")
  func takenPort() throws {
    let first = try TestServer(FakeEngine(.waits))
    #expect(throws: ServingError("cannot listen on 127.0.0.1, port \(first.port): address already in use; --port takes another")) {
      try TestServer(FakeEngine(.waits)) { $0.port = first.port }
    }
    #expect(throws: ServingError.self) { try TestServer(FakeEngine(.waits)) { $0.host = "no.such.host.invalid" } }
  }
}
