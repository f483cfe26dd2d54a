import Formats

/// Who may ask what.
struct AccessRules: Sendable {
  /// Only this machine can reach the server. A page of somewhere else could still, by a name of its own that leads here (DNS rebinding).
  let isLoopback: Bool
  /// Digest of the key; keys are compared by digests, whose first difference tells nothing about the key.
  private let key: [UInt8]?
  /// "*", or the one origin besides the server's own whose pages may ask.
  let origin: String?

  init(host: String, key: String?, origin: String?) {
    isLoopback = host == "localhost" || host.hasPrefix("127.") || host == "::1"
    self.key = key.map(Self.digest)
    self.origin = origin
  }

  func check(_ head: RequestHead) throws(APIError) {
    try checkHost(head)
    try checkOrigin(head)
    guard let key, head.method != .options, !["/", "/health"].contains(head.path) else { return }
    let words = (head.field("authorization") ?? "").split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0].lowercased() == "bearer" else {
      throw APIError(
        status: 401, message: "no API key: send it as 'Authorization: Bearer KEY'", type: "authentication_error", code: "missing_api_key")
    }
    let difference = zip(Self.digest(String(words[1])), key).reduce(0) { $0 | ($1.0 ^ $1.1) }
    guard difference == 0 else {
      throw APIError(status: 401, message: "the API key is wrong", type: "authentication_error", code: "invalid_api_key")
    }
  }

  private static func digest(_ key: String) -> [UInt8] {
    var hash = SHA256()
    hash.update(key)
    return hash.digest()
  }

  private func checkHost(_ head: RequestHead) throws(APIError) {
    guard isLoopback, let host = head.host else { return }
    let name = Self.name(of: host)
    guard name == "localhost" || name.hasSuffix(".localhost") || Self.isLoopbackAddress(name) else {
      throw APIError(
        status: 403, message: "this server answers to localhost only, not to '\(name)'; --host opens it to others", code: "host_not_allowed"
      )
    }
  }

  /// A browser says which page asks. Those of others may not: they would use the model without its owner's knowing.
  private func checkOrigin(_ head: RequestHead) throws(APIError) {
    guard let asker = head.field("origin"), origin != "*", asker != origin else { return }
    let own = head.host.map { ["http://\($0)".lowercased(), "https://\($0)".lowercased()] } ?? []
    guard own.contains(asker.lowercased()) else {
      throw APIError(
        status: 403, message: "pages of \(asker) may not ask this server; --cors allows an origin", code: "origin_not_allowed")
    }
  }

  /// Without the port, in small letters.
  private static func name(of host: String) -> String {
    let host = host.lowercased()
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
    return String(host.prefix { $0 != ":" })
  }

  private static func isLoopbackAddress(_ name: String) -> Bool {
    if name == "[::1]" { return true }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// Headers that let a page of the allowed origin read the answer.
  func headers(for head: RequestHead) -> [(name: String, value: String)] {
    guard let origin, head.field("origin") != nil else { return [] }
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
  }

  /// The answer to a browser that asks whether it may ask.
  func preflight(_ head: RequestHead) -> Reply {
    Reply(
      status: 204, type: "text/plain",
      headers: [
        ("Access-Control-Allow-Methods", "GET, POST"), ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
        ("Access-Control-Max-Age", "600"),
      ], body: [])
  }
}
