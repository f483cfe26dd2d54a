import JSON
import TestSupport
import Testing

/// The model and prompts that the repository brings along.
enum Example {
  static let model = SharedData.packageRoot + "/examples/talespin-tiny"
  static let prompts = SharedData.packageRoot + "/examples/prompts.txt"

  /// A folder with the example model's files, for tests that damage them.
  static func copy(without left: Set<String> = []) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in ["config.json", "tokenizer.json", "model.safetensors"] where !left.contains(name) {
      try folder.write(name, try TestFiles.read("\(model)/\(name)"))
    }
    return folder
  }
}

/// A report but for what may differ between two ways to the same numbers.
func comparable(_ report: JSON, without keys: [String] = ["seconds"]) throws -> JSON {
  var object = try #require(report.object)
  for key in keys { object[key] = nil }
  return .object(object)
}

/// `hoof ablate` with a fixed memory, so that every run cuts the study to the same groups and adds in the same order.
func ablate(_ model: String, _ prompts: String = Example.prompts, _ words: [String]) -> Subprocess {
  Subprocess.hoof(["ablate", model, "--calibration", prompts, "--memory", "32M", "-q"] + words)
}

/// The JSON that `hoof ablate --json` prints.
func report(_ model: String, _ prompts: String = Example.prompts, _ words: [String] = []) throws -> JSON {
  let run = ablate(model, prompts, ["--json"] + words)
  try #require(run.status == 0, "\(run.errors)")
  return try JSON(parsing: run.output)
}

extension JSON {
  /// Member `key` of each element.
  func numbers(_ key: String) -> [Double] { array?.compactMap { $0[key]?.double } ?? [] }
}
