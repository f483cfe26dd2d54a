import Formats
import Glibc
import Surgery
import TensorCore
import Terminal

/// The journal beside a command's output, from which --resume goes on.
struct JournalPlace {
  let path: String
  private let resumes: Bool
  private let isQuiet: Bool

  init(beside output: String, _ arguments: Arguments) {
    path = output + ".journal"
    resumes = arguments.has("resume")
    isQuiet = arguments.has("quiet")
  }

  /// What an interrupted command says.
  var saved: String { "what was measured is in \(path); the same command with --resume goes on from there" }

  /// Nobody's measurements are thrown away by accident.
  func refuseStale() throws(CommandError) {
    if !resumes, access(path, F_OK) == 0 {
      throw CommandError(
        "an interrupted study left its journal", at: path, advice: "--resume goes on from there; remove the file to start afresh")
    }
  }

  /// - Parameter identity: whatever determines the numbers, but the backend.
  func open(_ identity: [String], on backend: any ComputeBackend, _ arguments: Arguments, _ plan: StudyPlan) throws -> StudyJournal {
    let kind = backend.name.prefix { $0.isLetter }
    // Parts measured in different precision do not make a study.
    let precision = [String(kind), backend.activations.name, arguments.string("precision") == "tf32" ? "tf32" : ""]
    var hash = SHA256()
    hash.update((identity + precision).joined(separator: "\n"))
    let journal = try StudyJournal(path: path, identity: hash.hexDigest(), plan: plan, resuming: resumes)
    if resumes, !isQuiet { Output.note("hoof: \(journal.count) finished pieces found in \(path)") }
    return journal
  }
}
