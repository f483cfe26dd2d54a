import Glibc
import JSON
import Terminal

/// A JSON object per line for every step and every measurement, written as it happens.
final class TrainingLog {
  let path: String
  /// What the file holds.
  private(set) var entries: [JSON] = []
  private let descriptor: Int32
  private var isBroken = false

  /// Begins a log, or goes on with one.
  /// - Parameter step: when going on, the step the run goes on from: what is said about later ones is cut off.
  init(path: String, goingOnFrom step: Int?) throws(CommandError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw TrainingLog.failure(path, errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw CommandError("another process is writing this run's log", at: path)
    }
    var kept = 0
    if let step {
      for line in try Input.file(path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
        // A killed run may leave half a line behind.
        guard let entry = try? JSON(parsing: Array(line)), entry["step"]?.int ?? 0 <= step else { break }
        entries.append(entry)
        kept += line.count + 1
      }
    }
    guard ftruncate(descriptor, kept) == 0, lseek(descriptor, kept, SEEK_SET) == kept else { throw TrainingLog.failure(path, errno) }
  }

  deinit { close(descriptor) }

  /// A log that cannot be written is no reason to lose the run: it is told once.
  func append(_ entry: JSON.Object) {
    entries.append(.object(entry))
    guard !isBroken else { return }
    let line = Array((JSON.object(entry).text() + "\n").utf8)
    var done = 0
    while done < line.count {
      let count = line[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        isBroken = true
        return Output.note("hoof: \(TrainingLog.failure(path, errno)); going on without")
      }
      done += count
    }
  }

  private static func failure(_ path: String, _ code: Int32) -> CommandError {
    CommandError("cannot write the log: \(String(cString: strerror(code)))", at: path)
  }
}
