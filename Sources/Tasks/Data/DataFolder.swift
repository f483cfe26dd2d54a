import Formats
import Glibc

/// The folder of --data: which file holds which part of a data set. Nothing is ever downloaded.
struct DataFolder {
  /// nil: there is none, and nothing is found.
  let path: String?

  static let endings = ["jsonl", "json", "csv"]

  /// What a part of a data set is called elsewhere.
  static func spellings(of split: String) -> [String] {
    switch split {
    case "validation": ["validation", "val", "dev", "valid"]
    case "train": ["train", "training"]
    default: [split]
    }
  }

  /// Paths below the folder where rows of `split` may lie, without ending, the most particular last.
  /// - Parameter isAsked: whether the questions are meant, which a file without the name of a split holds as well.
  static func stems(_ name: String, split: String, isAsked: Bool) -> [String] {
    let base = name.split(separator: "/").last.map(String.init) ?? name
    let folder = name.dropLast(base.count)
    var stems = isAsked ? [name] : []
    for split in spellings(of: split) {
      let title = split.prefix(1).uppercased() + split.dropFirst()
      stems += [
        "\(name)/\(split)", "\(name)_\(split)", "\(name)-\(split)", "\(folder)\(split)/\(base)_\(split)", "\(name)/\(base)_\(split)",
        "\(name)/\(base)-\(title)", "\(name)-\(title)", "\(name)/\(split)-00000-of-00001",
      ]
    }
    return stems
  }

  /// The first file there is of a data set called `name`.
  func find(_ name: String, split: String, isAsked: Bool) -> String? {
    first(DataFolder.stems(name, split: split, isAsked: isAsked))
  }

  /// A file that the definition names for a split.
  func find(splitFile name: String) -> String? {
    guard let path, name.hasSuffix(".txt") else { return first([name]) }
    return DataFolder.isFile("\(path)/\(name)") ? "\(path)/\(name)" : nil
  }

  private func first(_ stems: [String]) -> String? {
    guard let path else { return nil }
    for ending in DataFolder.endings {
      for stem in stems where DataFolder.isFile("\(path)/\(stem).\(ending)") { return "\(path)/\(stem).\(ending)" }
    }
    return nil
  }

  /// A file in Parquet where one in another format was looked for.
  func findParquet(_ names: [String], split: String) -> String? {
    guard let path else { return nil }
    for name in names {
      for stem in DataFolder.stems(name, split: split, isAsked: true) where DataFolder.isFile("\(path)/\(stem).parquet") {
        return "\(path)/\(stem).parquet"
      }
    }
    return nil
  }

  /// The usual places, for a message.
  /// - Parameter splitFiles: names that the definition has for the split
  static func examples(_ names: [String], split: String, splitFiles: [String]) -> String {
    var shown = names.prefix(3).map { "\($0).jsonl, \($0)/\(split).jsonl, \($0)_\(split).jsonl" }
    shown += splitFiles.prefix(1).map { $0.hasSuffix(".txt") ? $0 : $0 + ".jsonl" }
    let others = spellings(of: split).dropFirst()
    return shown.joined(separator: ", ") + (names.count > 3 || splitFiles.count > 1 ? " …" : "") + " (or .json, .csv"
      + (others.isEmpty ? "" : "; \(others.joined(separator: " or ")) for \(split)") + ")"
  }

  static func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
