/// What a path means.
enum Route: Equatable {
  case page, health, metrics, models, chat, completions, unknown
  case model(String)

  init(_ head: RequestHead) {
    switch head.path {
    case "/": self = .page
    case "/health": self = .health
    case "/metrics": self = .metrics
    case "/v1/models": self = .models
    case "/v1/chat/completions": self = .chat
    case "/v1/completions": self = .completions
    default:
      let prefix = "/v1/models/"
      guard head.path.hasPrefix(prefix), let id = Self.decoded(head.path.dropFirst(prefix.count)), !id.isEmpty else {
        self = .unknown
        return
      }
      self = .model(id)
    }
  }

  /// For metrics: one of a few words.
  var label: String {
    switch self {
    case .page: "/"
    case .health: "/health"
    case .metrics: "/metrics"
    case .models, .model: "/v1/models"
    case .chat: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .unknown: "other"
    }
  }

  func check(_ method: RequestHead.Method) throws(APIError) {
    switch self {
    case .chat, .completions: if method != .post { throw .init(status: 405, message: "ask here with POST", code: "method_not_allowed") }
    case .unknown: break
    default:
      if method != .get && method != .head { throw .init(status: 405, message: "ask here with GET", code: "method_not_allowed") }
    }
  }

  /// The name of a model may have characters that a path spells with '%'; nil where they are no text.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
      bytes.append(code)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
