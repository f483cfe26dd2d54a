import Formats
import Glibc
import JSON

/// Answers of one model to one task's questions, in order, one JSON line each; kept so that no question is put twice to the same model. What
/// they are worth is computed anew each time.
///
/// While answers are added the file has another name (`….part`), which an interrupted run leaves behind. Nothing here fails: where a cache
/// cannot be read or written, the answers are computed and not kept.
public final class AnswerCache {
  public let path: String
  /// Whether answers were found that a run left which did not come to its end.
  public let hasResumed: Bool
  /// Answers of an interrupted run that `resuming` would have taken.
  public let leftover: Int
  private let identity: String
  private let known: [ModelAnswer]
  private var state = State.untouched

  private enum State: Equatable {
    case untouched
    case writing(Int32)
    /// Another run is at the same answers, or the disk is full.
    case given
  }

  private var partPath: String { path + ".part" }
  private static let format = "hoof-answers"
  private static let largest = 1 << 30

  /// - Parameters:
  ///   - identity: whatever determines the answers: model, task, data, precision; a file name.
  ///   - resuming: takes what an interrupted run left as well.
  public init(folder: String, identity: String, resuming: Bool) {
    (path, self.identity) = ("\(folder)/\(identity).jsonl", identity)
    let whole = AnswerCache.read(path, identity)
    let part = AnswerCache.read(path + ".part", identity)
    let isLonger = part.count > whole.count
    hasResumed = resuming && isLonger
    leftover = !resuming && isLonger ? part.count : 0
    known = hasResumed ? part : whole
  }

  deinit { if case .writing(let descriptor) = state { close(descriptor) } }

  /// How many answers were found: those to the first questions.
  public var found: Int { known.count }

  func answer(_ index: Int) -> ModelAnswer? { index < known.count ? known[index] : nil }

  /// Keeps the answers to the next questions, behind those that were found and those that were appended before.
  func append(_ answers: [ModelAnswer]) {
    guard !answers.isEmpty else { return }
    if state == .untouched { start() }
    send(answers.map { $0.json.text() + "\n" }.joined())
    if case .writing(let descriptor) = state { fdatasync(descriptor) }
  }

  /// All questions are answered: the file gets its name.
  func finish() {
    if case .writing(let descriptor) = state {
      fsync(descriptor)
      close(descriptor)
      state = .given
    } else if !hasResumed {
      return
    }
    rename(partPath, path)
  }

  private func start() {
    AnswerCache.makeFolders(of: path)
    let descriptor = open(partPath, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    state = .given
    guard descriptor >= 0 else { return }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return
    }
    ftruncate(descriptor, 0)
    state = .writing(descriptor)
    let header: JSON = ["format": .string(AnswerCache.format), "version": 1, "identity": .string(identity)]
    send(header.text() + "\n" + known.map { $0.json.text() + "\n" }.joined())
  }

  private func send(_ text: String) {
    guard case .writing(let descriptor) = state else { return }
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let sent = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard sent > 0 || errno == EINTR else {
        // A full disk: half a file is worse than none.
        close(descriptor)
        unlink(partPath)
        state = .given
        return
      }
      bytes = bytes.dropFirst(max(0, sent))
    }
  }

  /// The lines of a cache file as far as they are whole; none where it is not one, or another's.
  private static func read(_ path: String, _ identity: String) -> [ModelAnswer] {
    guard let bytes = try? readFile(path, limit: largest) else { return [] }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
    guard let first = lines.popFirst(), let header = try? JSON(parsing: Array(first)), header["format"]?.string == format,
      header["version"]?.int == 1, header["identity"]?.string == identity
    else { return [] }
    var answers: [ModelAnswer] = []
    for line in lines {
      guard let json = try? JSON(parsing: Array(line)), let answer = ModelAnswer(json) else { break }
      answers.append(answer)
    }
    return answers
  }

  private static func makeFolders(of path: String) {
    var folder = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/").dropLast() {
      folder += "/\(part)"
      mkdir(folder, 0o755)
    }
  }
}
