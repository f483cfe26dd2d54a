import Formats
import Glibc
import JSON

/// Answers of one model to one task's questions, in order, one JSON line each; kept so that no question is put twice to the same model. What
/// they are worth is computed anew each time.
///
/// Lines are only ever added: what an interrupted run has answered is there for the next one, half a line at the end is cut off, and runs
/// beside each other keep what either has first. Nothing here fails: where a cache cannot be read or written, the answers are computed and
/// not kept.
public final class AnswerCache {
  public let path: String
  private let identity: String
  private var known: [ModelAnswer]
  /// Bytes of the file up to the header's end and up to each answer's; empty where there is no cache yet.
  private var ends: [Int]
  private var descriptor: Int32 = -1
  /// The disk is full, or there is no such place.
  private var isGivenUp = false

  private static let format = "hoof-answers"
  private static let version = 2
  private static let largest = 1 << 30

  /// - Parameter identity: whatever determines the answers: model, tokenizer, task, data, precision; a file name.
  public init(folder: String, identity: String) {
    (path, self.identity) = ("\(folder)/\(identity).jsonl", identity)
    (known, ends) = AnswerCache.read((try? readFile(path, limit: AnswerCache.largest)) ?? [], identity)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// How many answers are kept: those to the first questions.
  public var count: Int { max(0, ends.count - 1) }

  /// What was found when the cache was opened.
  func answer(_ index: Int) -> ModelAnswer? { index < known.count ? known[index] : nil }

  /// Drops the answers from a question on: they are not to its questions.
  func forget(from index: Int) {
    known.removeLast(max(0, known.count - index))
    locked { descriptor in
      ends.removeLast(max(0, count - index))
      return ftruncate(descriptor, off_t(ends.last ?? 0)) == 0
    }
  }

  /// Keeps the answers to the questions from `index` on, behind those that were found and those that were appended before.
  func append(_ answers: [ModelAnswer], at index: Int) {
    guard !answers.isEmpty else { return }
    locked { descriptor in
      guard catchUp(descriptor) else { return false }
      if ends.isEmpty {
        let header: JSON = ["format": .string(AnswerCache.format), "version": .int(AnswerCache.version), "identity": .string(identity)]
        guard add([header.text()], descriptor) else { return false }
      }
      // A run beside this one may have been faster.
      return count >= index && add(answers.dropFirst(count - index).map { $0.json.text() }, descriptor)
    }
  }

  /// Makes what was kept survive a power cut as well.
  func sync() { if descriptor >= 0 { fsync(descriptor) } }

  /// Runs something with the file to itself; when that fails, nothing more is kept.
  private func locked(_ body: (Int32) -> Bool) {
    guard !isGivenUp else { return }
    if descriptor < 0 {
      AnswerCache.makeFolders(of: path)
      descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    }
    guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
      isGivenUp = true
      return
    }
    isGivenUp = !body(descriptor)
    flock(descriptor, LOCK_UN)
  }

  /// Takes note of what another run has added, and cuts off what a killed one left of a line.
  private func catchUp(_ descriptor: Int32) -> Bool {
    var status = stat()
    let end = ends.last ?? 0
    guard fstat(descriptor, &status) == 0, case let size = Int(status.st_size), size >= end, size - end <= AnswerCache.largest else {
      return false
    }
    guard size > end else { return true }
    var bytes = [UInt8](repeating: 0, count: size - end)
    var got = 0
    while got < bytes.count {
      let read = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress! + got, $0.count - got, off_t(end + got)) }
      guard read > 0 else { return false }
      got += read
    }
    ends = ends.isEmpty ? AnswerCache.read(bytes, identity).ends : AnswerCache.lines(bytes[...], after: ends).ends
    return ends.last == size || ftruncate(descriptor, off_t(ends.last ?? 0)) == 0
  }

  /// Writes lines behind the last one, all of them or none: half a file is worse than a shorter one.
  private func add(_ lines: [String], _ descriptor: Int32) -> Bool {
    var (bytes, added): ([UInt8], [Int]) = ([], [])
    let end = ends.last ?? 0
    for line in lines {
      bytes += Array((line + "\n").utf8)
      added.append(end + bytes.count)
    }
    var sent = 0
    while sent < bytes.count {
      let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress! + sent, $0.count - sent, off_t(end + sent)) }
      guard written > 0 || errno == EINTR else {
        ftruncate(descriptor, off_t(end))
        return false
      }
      sent += max(0, written)
    }
    ends += added
    return true
  }

  /// The answers of a cache file as far as its lines are whole; none where it is not one, or another's.
  private static func read(_ bytes: [UInt8], _ identity: String) -> (answers: [ModelAnswer], ends: [Int]) {
    guard let end = bytes.firstIndex(of: newline), let header = try? JSON(parsing: Array(bytes[..<end])),
      header["format"]?.string == format, header["version"]?.int == version, header["identity"]?.string == identity
    else { return ([], []) }
    return lines(bytes[(end + 1)...], after: [end + 1])
  }

  /// - Parameter ends: of what stands before the bytes in their file.
  private static func lines(_ bytes: ArraySlice<UInt8>, after ends: [Int]) -> (answers: [ModelAnswer], ends: [Int]) {
    var (answers, ends, rest): ([ModelAnswer], [Int], ArraySlice<UInt8>) = ([], ends, bytes)
    while let end = rest.firstIndex(of: newline), let json = try? JSON(parsing: Array(rest[..<end])), let answer = ModelAnswer(json) {
      ends.append(ends.last! + end + 1 - rest.startIndex)
      answers.append(answer)
      rest = rest[(end + 1)...]
    }
    return (answers, ends)
  }

  private static let newline = UInt8(ascii: "\n")

  private static func makeFolders(of path: String) {
    var folder = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/").dropLast() {
      folder += "/\(part)"
      mkdir(folder, 0o755)
    }
  }
}
