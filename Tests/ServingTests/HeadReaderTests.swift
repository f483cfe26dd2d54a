import Testing

@testable import Serving

struct HeadReaderTests {
  /// In pieces of `step` bytes.
  private func read(_ text: String, limits: RequestLimits = RequestLimits(), step: Int = .max) throws -> (taken: Int, head: RequestHead?) {
    var reader = HeadReader(limits)
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      let piece = Array(bytes[at..<min(bytes.count, at + min(step, bytes.count))])
      let (count, head) = try reader.read(piece)
      at += count
      if let head { return (at, head) }
    }
    return (at, nil)
  }

  private func refusal(_ text: String, limits: RequestLimits = RequestLimits()) -> Int? {
    do {
      _ = try read(text, limits: limits)
      return nil
    } catch { return (error as? Refusal)?.status }
  }

  @Test("a head is read the same in one piece and byte by byte, and what follows it is left", arguments: [1, 2, 7, Int.max])
  func pieces(step: Int) throws {
    let text = "POST /v1/completions?a=b HTTP/1.1\r\nHost: localhost:80\r\nContent-Length: 12\r\nX-A:\t b c \t\r\n\r\n"
    let (taken, head) = try read(text + "{\"a\": false}GET", step: step)
    #expect(taken == text.utf8.count)
    #expect(head?.method == .post && head?.path == "/v1/completions" && head?.bodyLength == 12 && head?.isModern == true)
    #expect(head?.field("x-a") == "b c" && head?.host == "localhost:80" && head?.closes == false)
  }

  @Test("lines may end with a line feed alone, and an address may be whole")
  func lenient() throws {
    #expect(try read("GET / HTTP/1.1\nHost: a\n\n").head?.path == "/")
    let whole = try read("GET http://a.b:80/x?y HTTP/1.1\r\nHost: c\r\n\r\n").head
    #expect(whole?.path == "/x" && whole?.host == "a.b:80")
  }

  @Test("the connection ends where either side cannot or will not go on")
  func closing() throws {
    #expect(try read("GET / HTTP/1.0\r\n\r\n").head?.closes == true)
    #expect(try read("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n").head?.closes == true)
    #expect(try read("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n").head?.closes == true)
    #expect(try read("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").head?.closes == false)
  }

  static let refused: [(String, Int)] = [
    ("GET /\r\n\r\n", 400), ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / FTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET //evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a\u{e9}/ HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405), ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501), ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
    ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
  ]

  @Test("what two readers could understand differently is refused, with the status that says why", arguments: refused)
  func refuses(text: String, status: Int) { #expect(refusal(text) == status) }

  @Test("a head is only so long, and has only so many fields")
  func limits() throws {
    var limits = RequestLimits()
    limits.headBytes = 64
    let text = "GET / HTTP/1.1\r\nHost: a\r\n"
    let exact = text + "X: " + String(repeating: "y", count: 64 - text.utf8.count - 7) + "\r\n\r\n"
    #expect(exact.utf8.count == 64)
    #expect(try read(exact, limits: limits).head != nil)
    #expect(refusal(text + "X: " + String(repeating: "y", count: 64), limits: limits) == 431)
    // Never a line's end: it is the length that counts.
    #expect(refusal(String(repeating: "y", count: 65), limits: limits) == 431)
    #expect(refusal("GET / HTTP/1.1\r\n" + String(repeating: "a:b\r\n", count: 101)) == 431)
  }
}
