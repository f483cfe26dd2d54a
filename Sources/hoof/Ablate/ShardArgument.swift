import Surgery
import Terminal

/// `--shard I/N`, with I from 1, or `--shard auto` under mpirun or srun.
struct ShardArgument {
  let shard: StudyOptions.Shard
  private let isAutomatic: Bool

  /// Rank and size as launchers tell them: Open MPI, MPICH and other PMI launchers, Slurm.
  private static let launchers = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"),
  ]

  init(_ text: String) throws(UsageError) {
    if text == "auto" {
      for (rank, size) in ShardArgument.launchers {
        guard let index = Output.environment(rank).flatMap(Int.init), let count = Output.environment(size).flatMap(Int.init) else {
          continue
        }
        guard (1...StudyOptions.Shard.mostParts).contains(count), (0..<count).contains(index) else {
          throw UsageError(command: "ablate", "--shard auto: \(rank)=\(index), \(size)=\(count)")
        }
        shard = .init(index: index, count: count)
        isAutomatic = true
        return
      }
      throw UsageError(command: "ablate", "--shard auto: neither mpirun nor srun started this process; give --shard I/N")
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1],
      (1...StudyOptions.Shard.mostParts).contains(count), (1...count).contains(number)
    else {
      throw UsageError(command: "ablate", "--shard takes I/N with I from 1 to N, as in 2/4, or auto; not '\(text)'")
    }
    shard = .init(index: number - 1, count: count)
    isAutomatic = false
  }

  /// Processes of one launch share their command line: each writes beside the given path, as in part-2-of-4.json.
  func path(for output: String) -> String {
    guard isAutomatic else { return output }
    let suffix = "-\(shard.index + 1)-of-\(shard.count)"
    let name = output.lastIndex(of: "/").map { output.index(after: $0) } ?? output.startIndex
    guard let dot = output[name...].lastIndex(of: "."), dot > name else { return output + suffix }
    return output[..<dot] + suffix + output[dot...]
  }
}
