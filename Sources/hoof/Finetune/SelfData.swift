import Formats
import Generation
import Glibc
import JSON
import Terminal
import Tokenization
import Training
import Transformer

/// Examples whose answers a model wrote, kept beside the output: a run that goes on learns from the very same.
struct SelfData {
  let examples: [TrainingExample]
  let path: String
  let sha256: String

  /// Reads them where an earlier run left them and `goesOn`, else has `model` write them.
  init(
    _ model: Llama, prompts: String, tokenizer: Tokenizer, format: ChatFormat, options: TrainingData.Options, beside output: String,
    goesOn: Bool, _ arguments: Arguments
  ) throws {
    path = output + ".answers.jsonl"
    if !(goesOn && access(path, F_OK) == 0) {
      try SelfData.write(model, prompts, tokenizer, format, options, to: path, arguments)
    }
    let bytes = try Input.file(path)
    sha256 = SHA256.hex(of: bytes)
    var examples: [TrainingExample] = []
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let entry = try? JSON(parsing: Array(line)),
        let ids = entry["ids"]?.array?.compactMap({ $0.int.flatMap(Int32.init(exactly:)) }),
        let prompt = entry["prompt_tokens"]?.int, prompt > 0, prompt < ids.count,
        ids.allSatisfy({ $0 >= 0 && $0 < model.config.vocabularySize })
      else {
        throw CommandError("line \(number + 1) is not one that hoof wrote", at: path, advice: "remove the file to have it written again")
      }
      examples.append(
        TrainingExample(ids: ids, isScored: ids.indices.map { $0 >= prompt }, place: entry["place"]?.string ?? "line \(number + 1)"))
    }
    guard !examples.isEmpty else {
      throw CommandError("there are no answers", at: path, advice: "remove the file to have it written again")
    }
    self.examples = examples
  }

  private static func write(
    _ model: Llama, _ prompts: String, _ tokenizer: Tokenizer, _ format: ChatFormat, _ options: TrainingData.Options, to path: String,
    _ arguments: Arguments
  ) throws {
    let isQuiet = arguments.has("quiet")
    var progress: Progress?
    var told = 0
    let written: WrittenData
    do {
      written = try WrittenData(
        path: prompts, writer: model, tokenizer: tokenizer, format: format,
        options: .init(maxTokens: options.maxTokens, maxNewTokens: options.maxTokens, bos: options.bos)
      ) { state in
        try Interrupt.check(saved: "nothing was written")
        progress = progress ?? Progress("writing answers", total: Double(state.prompts), unit: .items("answers"), quiet: isQuiet)
        progress?.advance(by: Double(state.finished - told), label: "\(LargeCount(state.tokens)) tokens")
        told = state.finished
      }
    } catch let error as FormatError {
      throw CommandError(error.description)
    }
    progress?.finish()
    let lines = written.examples.map { example in
      let prompt = example.isScored.firstIndex(of: true) ?? 0
      let line: JSON = [
        "place": .string(example.place), "answer": .string(tokenizer.decode(Array(example.ids[prompt...]))), "prompt_tokens": .int(prompt),
        "ids": .array(example.ids.map { .int(Int($0)) }),
      ]
      return line.text() + "\n"
    }
    try AtomicFile.write(lines.joined(), to: path, force: true)
    guard !isQuiet else { return }
    var facts = ["\(written.examples.count) answers are in \(path)"]
    if written.unfinishedCount > 0 { facts.append("\(written.unfinishedCount) of them ran into the limit of \(options.maxTokens) tokens") }
    if written.emptyCount + written.droppedCount > 0 {
      facts.append("\(written.emptyCount + written.droppedCount) prompts got none")
    }
    Output.note("hoof: \(facts.joined(separator: ", "))")
  }
}
