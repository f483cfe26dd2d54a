import Formats
import Glibc
import Tasks
import TensorCore
import Terminal

/// Where models' answers to tasks are kept from run to run.
struct AnswerFolder {
  let path: String
  private let resumes: Bool
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
    resumes = arguments.has("resume")
    let kind = String(backend.name.prefix { $0.isLetter })
    let bos = arguments.has("no-bos") ? "no-bos" : arguments.has("bos") ? "bos" : ""
    manner = [Program.version, kind, backend.activations.name, arguments.string("precision") ?? "", bos, "\(options.seed)"]
  }

  /// - Parameters:
  ///   - model: its fingerprint; a second one's answers know how far they are from the base's.
  ///   - task: its data's fingerprint.
  func cache(model: String, base: String?, task: String, shots: Int, maxLength: Int) -> AnswerCache {
    var hash = SHA256()
    hash.update(([model, base ?? "", task, "\(shots)", "\(maxLength)"] + manner).joined(separator: "\n"))
    return AnswerCache(folder: path, identity: hash.hexDigest(), resuming: resumes)
  }
}
