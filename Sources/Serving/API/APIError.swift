import Generation
import JSON

/// What a client is told in the words of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`.
struct APIError: Error, Sendable, Equatable {
  var status = 400
  let message: String
  var type: String?
  /// The field of the request that is wrong.
  var param: String?
  var code: String?
  /// Seconds after which it may be worth to ask again.
  var retryAfter: Int?

  init(status: Int = 400, message: String, type: String? = nil, param: String? = nil, code: String? = nil, retryAfter: Int? = nil) {
    (self.status, self.message, self.type, self.param, self.code) = (status, message, type, param, code)
    self.retryAfter = retryAfter
  }

  var json: JSON {
    [
      "error": [
        "message": .string(message),
        "type": .string(type ?? (status < 500 ? "invalid_request_error" : status == 503 ? "overloaded_error" : "server_error")),
        "param": param.map(JSON.string) ?? nil, "code": code.map(JSON.string) ?? nil,
      ]
    ]
  }

  var reply: Reply {
    var reply = Reply.json(json, status: status)
    if let retryAfter { reply.headers.append(("Retry-After", "\(retryAfter)")) }
    if status == 401 { reply.headers.append(("WWW-Authenticate", "Bearer")) }
    return reply
  }

  /// Why an engine did not take a request.
  init(_ error: GenerationError) {
    switch error {
    case .tooLong: self.init(message: "\(error)", param: "messages", code: "context_length_exceeded")
    case .queueFull:
      self.init(status: 503, message: "the server is busy: \(error)", code: "queue_full", retryAfter: 1)
    case .invalid: self.init(message: "\(error)")
    case .shutDown: self = .goingDown
    }
  }

  static let goingDown = APIError(status: 503, message: "the server is going down", code: "shutting_down", retryAfter: 5)

  static func notFound(_ message: String, code: String? = nil) -> APIError { APIError(status: 404, message: message, code: code) }
}
