/// What stands in front of a request's body (RFC 9112), checked.
struct RequestHead: Sendable, Equatable {
  enum Method: String, Sendable { case get = "GET", head = "HEAD", post = "POST", options = "OPTIONS" }

  struct Field: Sendable, Equatable {
    /// In small letters.
    let name: String
    let value: String
  }

  let method: Method
  /// As it was sent, without what follows a '?'. Nothing is decoded: a path that is not spelled like one of ours is none of ours.
  let path: String
  /// HTTP/1.1, not 1.0.
  let isModern: Bool
  var fields: [Field] = []
  /// Bytes of the body.
  var bodyLength = 0
  /// The host of a target that named one; it goes before the field.
  var authority: String?

  /// The first field of this name.
  func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

  /// Whom the client meant to reach: host and port.
  var host: String? { authority ?? field("host") }

  /// The connection ends with the answer.
  var closes: Bool {
    guard let connection = field("connection")?.lowercased() else { return !isModern }
    let words = connection.split(separator: ",").map { $0.drop { $0 == " " } }
    return words.contains { $0.hasPrefix("close") } || !isModern
  }
}

/// Why a request is answered without looking at it further; the connection ends with that answer.
struct Refusal: Error, Sendable, Equatable {
  let status: Int
  let message: String
  var headers: [RequestHead.Field] = []
}

/// Limits of what a client may send.
public struct RequestLimits: Sendable {
  /// Bytes of request line and headers together.
  public var headBytes = 16 << 10
  public var bodyBytes = 8 << 20
  /// Bytes of all bodies that are held at the same time.
  public var allBodyBytes = 256 << 20
  /// Seconds from a request's first byte to the end of its headers, and from there to the end of its body.
  public var headSeconds = 10.0
  public var bodySeconds = 60.0
  /// Seconds that a connection may be silent between requests.
  public var idleSeconds = 75.0
  /// Seconds in which a client must have taken something of what is there for it.
  public var stallSeconds = 60.0
  public var connections = 512

  public init() {}
}
