import Glibc
import JSON

/// A socket, and just enough of HTTP to read an answer from it.
final class RawClient {
  struct Failure: Error { let what: String }

  struct Answer {
    let status: Int
    /// Names in small letters.
    let headers: [String: String]
    let body: String

    var json: JSON? { try? JSON(parsing: body) }
    var error: JSON? { json?["error"] }
    /// What stands behind "data: " in each event.
    var events: [String] { body.split(separator: "\n\n").map { String($0.dropFirst(6)) } }
    var eventJSON: [JSON] { events.filter { $0 != "[DONE]" }.compactMap { try? JSON(parsing: $0) } }
  }

  private let descriptor: Int32
  private var received: [UInt8] = []

  init(port: Int, receiveBuffer: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size)) }
    var seconds = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &seconds, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &seconds, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard result == 0 else { throw Failure(what: "no connection: \(String(cString: strerror(errno)))") }
  }

  deinit { close() }

  private var isClosed = false

  func close() {
    if !isClosed { Glibc.close(descriptor) }
    isClosed = true
  }

  static func request(_ method: String, _ path: String, _ headers: [String] = [], body: String = "") -> String {
    let host = headers.contains { $0.lowercased().hasPrefix("host:") } ? [] : ["Host: localhost"]
    let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
    return (["\(method) \(path) HTTP/1.1"] + host + headers + length).joined(separator: "\r\n") + "\r\n\r\n" + body
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var at = 0
    while at < bytes.count {
      let count = bytes[at...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw Failure(what: "cannot send: \(String(cString: strerror(errno)))") }
      at += count
    }
  }

  /// Nothing more will be sent.
  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// False at the end.
  private func receive() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count >= 0 else { throw Failure(what: "cannot receive: \(String(cString: strerror(errno)))") }
    received += buffer.prefix(count)
    return count > 0
  }

  /// Reads until the text is there.
  func wait(for text: String) throws -> Bool {
    while !String(decoding: received, as: UTF8.self).contains(text) {
      if try !receive() { return false }
    }
    return true
  }

  /// Whether the server has ended the connection, once all it sent is read.
  func isEnded() -> Bool { (try? receive()) == false }

  /// The next answer; nil when the connection ends first.
  func answer(to method: String = "GET") throws -> Answer? {
    while true {
      if let end = Self.find([13, 10, 13, 10], in: received) {
        let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines[0].split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { throw Failure(what: "\(lines[0])") }
        if status == 100 {
          received.removeFirst(end + 4)
          continue
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
          let parts = line.split(separator: ":", maxSplits: 1)
          headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        received.removeFirst(end + 4)
        return Answer(status: status, headers: headers, body: method == "HEAD" ? "" : String(decoding: try body(headers), as: UTF8.self))
      }
      if try !receive() { return nil }
    }
  }

  private func body(_ headers: [String: String]) throws -> [UInt8] {
    if headers["transfer-encoding"] == "chunked" {
      var body: [UInt8] = []
      while true {
        let size = Int(String(decoding: try line(), as: UTF8.self), radix: 16) ?? 0
        body += try take(size)
        _ = try line()
        if size == 0 { return body }
      }
    }
    if let length = headers["content-length"].flatMap({ Int($0) }) { return try take(length) }
    while try receive() {}
    defer { received = [] }
    return received
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while received.count < count { if try !receive() { throw Failure(what: "the body ends early") } }
    defer { received.removeFirst(count) }
    return Array(received[..<count])
  }

  private func line() throws -> [UInt8] {
    while true {
      if let end = Self.find([13, 10], in: received) {
        defer { received.removeFirst(end + 2) }
        return Array(received[..<end])
      }
      if try !receive() { throw Failure(what: "the body ends early") }
    }
  }

  private static func find(_ needle: [UInt8], in bytes: [UInt8]) -> Int? {
    guard bytes.count >= needle.count else { return nil }
    return (0...bytes.count - needle.count).first { bytes[$0] == needle[0] && bytes[$0..<$0 + needle.count].elementsEqual(needle) }
  }
}
