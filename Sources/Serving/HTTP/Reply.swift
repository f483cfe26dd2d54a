import JSON

/// A whole answer.
struct Reply: Sendable {
  var status = 200
  var type: String
  var headers: [(name: String, value: String)] = []
  var body: [UInt8]

  init(status: Int = 200, type: String, headers: [(name: String, value: String)] = [], body: [UInt8]) {
    (self.status, self.type, self.headers, self.body) = (status, type, headers, body)
  }

  static let jsonType = "application/json"
  static let eventType = "text/event-stream; charset=utf-8"

  static func json(_ value: JSON, status: Int = 200) -> Reply {
    Reply(status: status, type: jsonType, body: Array((value.text() + "\n").utf8))
  }

  /// What every answer carries: it is what its type says, and nobody stores it or passes on where the reader came from.
  static let manners: [(name: String, value: String)] = [
    ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
  ]

  /// The bytes to send where evhttp does not do it, on a connection that is closed behind them.
  var closingBytes: [UInt8] {
    var text =
      "HTTP/1.1 \(status) \(Status.phrase(status))\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
    for header in headers + Reply.manners { text += "\(header.name): \(header.value)\r\n" }
    return Array((text + "\r\n").utf8) + body
  }
}
