import Glibc

/// What the machine, or the control group this process is confined to, has and can still give.
enum SystemMemory {
  static func read() -> (total: Int, free: Int) {
    let info = text("/proc/meminfo")
    var total = value("MemTotal:", in: info).map { $0 << 10 } ?? Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    var free = value("MemAvailable:", in: info).map { $0 << 10 } ?? total
    for group in groups() {
      guard let limit = number(group.folder + group.limit), limit < total else { continue }
      total = limit
      // Pages of files count as used but are dropped before anything is killed.
      let reclaimable = value(group.reclaimable, in: text(group.folder + "memory.stat")) ?? 0
      let used = number(group.folder + group.usage) ?? 0
      free = min(free, max(0, limit - used + reclaimable))
    }
    return (total, free)
  }

  private struct Group {
    let folder: String, limit: String, usage: String, reclaimable: String
  }

  /// Version 2 and version 1 groups, at the path the kernel names and at the root, which is what a container sees as its own.
  private static func groups() -> [Group] {
    var found: [Group] = []
    for line in text("/proc/self/cgroup").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let unified = fields[0] == "0" && fields[1].isEmpty
      guard unified || fields[1].split(separator: ",").contains("memory") else { continue }
      for path in Set([fields[2] == "/" ? "" : String(fields[2]), ""]) {
        found.append(
          unified
            ? Group(folder: "/sys/fs/cgroup\(path)/", limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file")
            : Group(
              folder: "/sys/fs/cgroup/memory\(path)/", limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
              reclaimable: "total_inactive_file"))
      }
    }
    return found
  }

  private static func number(_ path: String) -> Int? {
    text(path).split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
  }

  /// The number after `name` at the start of a line.
  private static func value(_ name: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 2, words[0] == name { return Int(words[1]) }
    }
    return nil
  }

  /// A small file of the kernel; empty when it is not there.
  private static func text(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16_384)
    var length = 0
    while length < bytes.count {
      let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + length, $0.count - length) }
      guard got > 0 else { break }
      length += got
    }
    return String(decoding: bytes[..<length], as: UTF8.self)
  }
}
