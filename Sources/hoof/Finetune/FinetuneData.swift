import Formats
import JSON
import TensorCore
import Terminal
import Tokenization
import Training

/// The examples of a run: those that are trained on, and those that are held out.
struct FinetuneData {
  let examples: [TrainingExample]
  let heldOut: [TrainingExample]
  let tokenizer: Tokenizer
  let data: TrainingData
  private let heldOutData: TrainingData?
  private let options: TrainingData.Options
  private let split: Double?
  private let template: String?

  /// Of an example, unless the user says.
  private static let maxTokens = 2048

  init(_ source: ModelSource, _ finetune: FinetuneOptions, _ arguments: Arguments) throws {
    tokenizer = try Models.requiredTokenizer(of: source)
    template = arguments.string("chat-template")
    split = arguments.double("eval-split")
    let format = ChatFormat(source, tokenizer, named: template.flatMap(ChatFormat.Name.init))
    options = TrainingData.Options(
      maxTokens: arguments.int("max-tokens") ?? min(FinetuneData.maxTokens, source.config.contextLength),
      long: arguments.string("long").flatMap(TrainingData.Options.Long.init) ?? .cut,
      scores: arguments.string("train-on").flatMap(TrainingData.Options.Scores.init) ?? .answers, bos: !arguments.has("no-bos"))
    do throws(FormatError) {
      data = try TrainingData(
        path: arguments.string("data")!, tokenizer: tokenizer, config: source.config, format: format, options: options)
      var other: TrainingData?
      if let path = arguments.string("eval-data") {
        other = try TrainingData(path: path, tokenizer: tokenizer, config: source.config, format: format, options: options)
      }
      heldOutData = other
    } catch {
      throw CommandError(error.description)
    }
    guard let split else {
      (examples, heldOut) = (data.examples, heldOutData?.examples ?? [])
      return
    }
    let count = max(1, Int((split * Double(data.examples.count)).rounded()))
    guard count < data.examples.count else {
      throw CommandError("--eval-split \(split) leaves nothing to train on: there are \(data.examples.count) examples", at: data.path)
    }
    // Spread evenly, so that a file in some order gives a fair sample.
    let held = Set((0..<count).map { ($0 * data.examples.count + data.examples.count / 2) / count })
    examples = data.examples.indices.filter { !held.contains($0) }.map { data.examples[$0] }
    heldOut = held.sorted().map { data.examples[$0] }
  }

  var notes: [String] {
    func note(_ data: TrainingData) -> String? {
      var parts: [String] = []
      if data.cutCount > 0 { parts.append("\(data.cutCount) texts longer than \(options.maxTokens) tokens were cut") }
      if data.droppedCount > 0 {
        parts.append("\(data.droppedCount) texts were left out: nothing of them fits in \(options.maxTokens) tokens")
      }
      return parts.isEmpty ? nil : "\(data.path): \(parts.joined(separator: ", "))"
    }
    return [note(data), heldOutData.flatMap(note)].compactMap(\.self)
  }

  /// Tokens of examples as they go through the model.
  var rows: Int { examples.reduce(0) { $0 + $1.ids.count - 1 } }
  var scored: Int { examples.reduce(0) { $0 + $1.isScored.count { $0 } } }

  func tokensPerStep(_ plan: TrainingPlan) -> Double {
    let batches = Double(plan.accumulation)
    return switch plan.batch {
    case .examples(let count): batches * Double(count) * Double(rows) / Double(examples.count)
    case .tokens(let count): batches * Double(min(count, rows))
    }
  }

  /// Rows that no batch exceeds.
  func rowsOfLargestBatch(_ plan: TrainingPlan) -> Int {
    let lengths = examples.map { $0.ids.count - 1 }.sorted(by: >)
    return switch plan.batch {
    case .examples(let count): lengths.prefix(count).reduce(0, +) + lengths[0] * max(0, count - lengths.count)
    case .tokens(let count): max(count, lengths[0])
    }
  }

  /// What of the data determines a run's numbers.
  var identity: JSON.Object {
    [
      "data": .string(data.sha256), "held-out data": heldOutData.map { .string($0.sha256) } ?? nil,
      "eval-split": split.map { .double($0) } ?? nil, "max-tokens": .int(options.maxTokens), "long": .string(options.long.rawValue),
      "train-on": .string(options.scores.rawValue), "bos": .bool(options.bos), "chat-template": template.map { .string($0) } ?? nil,
    ]
  }
}
