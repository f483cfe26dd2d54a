/// Reads a request's head byte by byte, and refuses what two readers could understand differently: evhttp, behind it, is lenient. Every line is
/// judged before the next byte, so that evhttp never sees one that was refused.
struct HeadReader {
  private let limits: RequestLimits
  private var line: [UInt8] = []
  private var count = 0
  private var head: RequestHead?

  static let mostFields = 100

  init(_ limits: RequestLimits) { self.limits = limits }

  /// No byte of a request has come yet.
  var isUntouched: Bool { count == 0 }

  /// Takes bytes up to the end of the head.
  /// - Returns: how many were taken, and the head once it is complete.
  mutating func read(_ bytes: [UInt8]) throws(Refusal) -> (count: Int, head: RequestHead?) {
    for (index, byte) in bytes.enumerated() {
      count += 1
      if count > limits.headBytes {
        throw Refusal(status: 431, message: "the request's line and headers are longer than \(limits.headBytes) bytes")
      }
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      let isLast = line.isEmpty && head != nil
      if isLast { return (index + 1, try finished()) }
      try takeLine()
      line.removeAll(keepingCapacity: true)
    }
    return (bytes.count, nil)
  }

  private func bad(_ message: String) -> Refusal { Refusal(status: 400, message: message) }

  private mutating func takeLine() throws(Refusal) {
    // NUL and carriage returns end lines for some readers; other control characters have no place in a head.
    guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
      throw bad("the request's head has a control character")
    }
    if head == nil { head = try requestLine() } else { try takeField() }
  }

  private func requestLine() throws(Refusal) -> RequestHead {
    let words = line.split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    guard words.count == 3, line.allSatisfy({ $0 > 0x1f && $0 < 0x7f }) else { throw bad("the request line is not METHOD TARGET VERSION") }
    let isModern: Bool
    switch words[2] {
    case "HTTP/1.1": isModern = true
    case "HTTP/1.0": isModern = false
    case let version where version.hasPrefix("HTTP/"): throw Refusal(status: 505, message: "this server speaks HTTP/1.1 and HTTP/1.0")
    default: throw bad("the request line does not end with a version of HTTP")
    }
    let (authority, target) = try Self.parts(of: words[1])
    guard let method = RequestHead.Method(rawValue: words[0]) else {
      let known = ["PUT", "DELETE", "PATCH", "CONNECT", "TRACE"].contains(words[0])
      guard known else { throw Refusal(status: 501, message: "this server knows no such method") }
      throw Refusal(
        status: 405, message: "\(words[0]) is not allowed here", headers: [.init(name: "Allow", value: "GET, HEAD, POST, OPTIONS")])
    }
    let path = target.prefix { $0 != "?" && $0 != "#" }
    return RequestHead(method: method, path: String(path), isModern: isModern, authority: authority)
  }

  /// A target is a path, or (what one would send to a proxy) a whole address; evhttp reads a path that begins with two strokes as a host.
  private static func parts(of target: String) throws(Refusal) -> (authority: String?, path: String) {
    let scheme = "http://"
    if target.hasPrefix("/"), !target.hasPrefix("//") { return (nil, target) }
    if target.lowercased().hasPrefix(scheme) {
      let rest = target.dropFirst(scheme.count)
      let host = rest.prefix { $0 != "/" }
      let allowed = host.utf8.allSatisfy { $0 == 0x2e || $0 == 0x2d || $0 == 0x3a || $0 == 0x5b || $0 == 0x5d || isAlphanumeric($0) }
      if !host.isEmpty, allowed, host.count < rest.count { return (String(host), String(rest.dropFirst(host.count))) }
    }
    throw Refusal(status: 400, message: "the request's target is not a path of this server")
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    byte >= 0x30 && byte <= 0x39 || (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a
  }

  private mutating func takeField() throws(Refusal) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw bad("a header line is not NAME: VALUE") }
    // No blank before the colon and none in front of a name: readers disagree about what those mean.
    let symbols = Array("!#$%&'*+-.^_`|~".utf8)
    guard line[..<colon].allSatisfy({ Self.isAlphanumeric($0) || symbols.contains($0) }) else { throw bad("a header's name is not a name") }
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    var value = line[(colon + 1)...].drop(while: isBlank)
    while let last = value.last, isBlank(last) { value.removeLast() }
    let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
    guard head!.fields.count < Self.mostFields else {
      throw Refusal(status: 431, message: "the request has more than \(Self.mostFields) headers")
    }
    head!.fields.append(.init(name: name, value: String(decoding: value, as: UTF8.self)))
  }

  private func finished() throws(Refusal) -> RequestHead {
    var head = head!
    func all(_ name: String) -> [String] { head.fields.filter { $0.name == name }.map(\.value) }
    let hosts = all("host")
    guard hosts.count <= 1, !hosts.isEmpty || !head.isModern else { throw bad("a request of HTTP/1.1 names its host, once") }
    let lengths = all("content-length")
    if !all("transfer-encoding").isEmpty {
      if !lengths.isEmpty { throw bad("the request has a Content-Length and a Transfer-Encoding") }
      throw Refusal(status: 411, message: "a body needs a Content-Length here; it cannot come in chunks")
    }
    if let length = lengths.first {
      guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
        throw bad("the Content-Length is not one number")
      }
      guard let number = Int(length), number <= limits.bodyBytes else {
        throw Refusal(status: 413, message: "the request's body is longer than \(limits.bodyBytes) bytes")
      }
      // evhttp reads no body behind HEAD.
      if number > 0, head.method == .head { throw bad("a HEAD request has no body") }
      head.bodyLength = number
    }
    if let expectation = head.field("expect"), expectation.lowercased() != "100-continue" {
      throw Refusal(status: 417, message: "this server meets no expectation but 100-continue")
    }
    return head
  }
}
