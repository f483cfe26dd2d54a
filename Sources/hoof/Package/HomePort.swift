import Glibc

/// The port a package serves its page on. Browsers keep conversations by address, port included: it is the same every time, and another one
/// only where somebody else has it.
enum HomePort {
  private static let range = 8100..<9000

  /// 0, for any that is free, when the name's own port is taken on this machine.
  static func port(for name: String) -> Int {
    // FNV-1a: the same on every machine and in every process.
    let hash = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    let port = range.lowerBound + Int(hash % UInt32(range.count))
    return isFree(port) ? port : 0
  }

  private static func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // As the server will: what an earlier run left in TIME_WAIT is in nobody's way.
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
