import Formats
import Glibc
import JSON
import Terminal
import Training

/// The checkpoint beside a run's output, from which --resume goes on.
struct CheckpointPlace {
  let path: String
  /// What determines the run's numbers.
  let run: JSON.Object

  static func path(beside output: String) -> String { (output.hasSuffix("/") ? String(output.dropLast()) : output) + ".checkpoint" }

  /// Nobody's work is thrown away by accident.
  static func refuseStale(beside output: String) throws(CommandError) {
    let path = path(beside: output)
    if access(path, F_OK) == 0 {
      throw CommandError(
        "an interrupted run left its checkpoint", at: path, advice: "--resume goes on from there; remove the file to start afresh")
    }
  }

  /// What an interrupted command says.
  func saved(_ step: Int) -> String { "step \(step) is in \(path); the same command with --resume goes on from there" }

  /// nil when there is nothing to go on from.
  static func open(beside output: String) throws -> TrainingCheckpoint? {
    let path = path(beside: output)
    return access(path, F_OK) == 0 ? try TrainingCheckpoint(path: path) : nil
  }

  func remove() { unlink(path) }
}
