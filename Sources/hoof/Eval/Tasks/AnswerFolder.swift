import Formats
import Glibc
import Tasks
import TensorCore
import Terminal

/// Where models' answers to tasks are kept from run to run.
struct AnswerFolder {
  let path: String
  /// Of how everything is computed.
  private let manner: [String]

  /// nil where nothing is to be kept, or there is no place for it.
  init?(_ arguments: Arguments, on backend: any ComputeBackend, options: TaskRunner.Options) {
    guard !arguments.has("no-cache") else { return nil }
    if let path = arguments.string("cache") {
      self.path = path + "/eval"
    } else if let cache = Output.environment("XDG_CACHE_HOME"), cache.hasPrefix("/") {
      path = cache + "/hoof/eval"
    } else if let home = Output.environment("HOME"), home.hasPrefix("/") {
      path = home + "/.cache/hoof/eval"
    } else {
      return nil
    }
    let kind = String(backend.name.prefix { $0.isLetter })
    let bos = arguments.has("no-bos") ? "no-bos" : arguments.has("bos") ? "bos" : ""
    manner = [Program.version, kind, backend.activations.name, arguments.string("precision") ?? "", bos, "\(options.seed)"]
  }

  /// - Parameter base: what the answers are compared with; they know how far they are from it.
  func cache(of candidate: Candidate, base: Candidate?, _ task: TaskData, shots: Int, maxLength: Int) -> AnswerCache {
    let parts = [candidate.identity, base?.identity ?? "", task.fingerprint, "\(shots)", "\(maxLength)"]
    var hash = SHA256()
    hash.update((parts + manner).joined(separator: "\n"))
    return AnswerCache(folder: path, identity: hash.hexDigest())
  }
}
