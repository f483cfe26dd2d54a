import JSON
import TestSupport
import Testing

/// Examples that a tiny model can learn in a few steps.
enum FinetuneExample {
  /// Ten prompts with answers.
  static let lines = (0..<10).map { index in
    let animal = ["fox", "cow", "hen", "cat", "dog"][index % 5]
    return #"{"prompt": "What does the \#(animal) say on day \#(index)?", "completion": " The \#(animal) says hello, and goes home."}"#
      + "\n"
  }.joined()

  /// What all runs of these tests have in common: a few quick steps on one thread.
  static func words(data: String, output: String, steps: Int = 6) -> [String] {
    ["--data", data, "-o", output, "--steps", "\(steps)", "--lr", "1e-3", "--batch", "3", "--warmup", "1", "--threads", "1"]
  }
}

extension TemporaryFolder {
  /// The JSON lines of a file.
  func lines(_ name: String) throws -> [JSON] {
    try String(decoding: read(name), as: UTF8.self).split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
  }
}
