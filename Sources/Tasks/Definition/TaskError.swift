import Formats

/// Why the tasks that were named cannot be opened. One line.
public enum TaskError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No built-in, no file of the user's, and no file of that name in the folder.
  case unknown(name: String, hint: String, folder: String?)
  /// - Parameters:
  ///   - looked: the file names that were looked for
  ///   - parquet: a file of the task in a format that hoof does not read
  case noData(task: String, folder: String, looked: String, parquet: String?)
  /// A task that is read from files, and no --data.
  case noFolder(task: String)
  case file(FormatError)

  public var description: String {
    switch self {
    case .unknown(let name, let hint, nil): "there is no task '\(name)'\(hint)"
    case .unknown(let name, let hint, let folder?): "there is no task '\(name)', and no \(name).jsonl in \(folder)\(hint)"
    case .noData(let task, let folder, let looked, nil): "\(folder) has no data for \(task): looked for \(looked)"
    case .noData(let task, _, _, let parquet?):
      "\(parquet) is in Parquet, which hoof does not read; for \(task) write it as JSON lines: "
        + "python3 -c 'import sys, pandas; pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient=\"records\", lines=True)' IN.parquet OUT.jsonl"
    case .noFolder(let task): "--data DIR is missing: where the files of \(task) are"
    case .file(let error): error.description
    }
  }
}
