import Formats
import Generation
import JSON
import TensorCore
import Terminal
import Tokenization
import Training
import Transformer

/// The examples of a run: those that are trained on, and those that are held out.
struct FinetuneData {
  let examples: [TrainingExample]
  let heldOut: [TrainingExample]
  let tokenizer: Tokenizer
  let path: String
  let sha256: String
  /// nil where a model wrote the answers.
  private let data: TrainingData?
  private let heldOutData: TrainingData?
  private let options: TrainingData.Options
  private let split: Double?
  private let template: String?

  /// Of an example, unless the user says.
  private static let maxTokens = 2048

  /// - Parameters:
  ///   - output: where answers that a model writes are kept, as `SelfData` does.
  ///   - writer: the model that writes them, if it is asked to.
  init(
    _ source: ModelSource, _ arguments: Arguments, beside output: String?, goesOn: Bool, writer: () throws -> Llama
  ) throws {
    tokenizer = try Models.requiredTokenizer(of: source)
    template = arguments.string("chat-template")
    split = arguments.double("eval-split")
    let format = ChatFormat(source, tokenizer, named: template.flatMap(ChatFormat.Name.init))
    options = TrainingData.Options(
      maxTokens: arguments.int("max-tokens") ?? min(FinetuneData.maxTokens, source.config.contextLength),
      long: arguments.string("long").flatMap(TrainingData.Options.Long.init) ?? .cut,
      scores: arguments.string("train-on").flatMap(TrainingData.Options.Scores.init) ?? .answers, bos: !arguments.has("no-bos"))
    let read: [TrainingExample]
    do {
      if let output, arguments.has("self-data") {
        let written = try SelfData(
          writer(), prompts: arguments.string("data")!, tokenizer: tokenizer, format: format, options: options, beside: output,
          goesOn: goesOn, arguments)
        (data, path, sha256, read) = (nil, written.path, written.sha256, written.examples)
      } else {
        let data = try TrainingData(
          path: arguments.string("data")!, tokenizer: tokenizer, config: source.config, format: format, options: options)
        (self.data, path, sha256, read) = (data, data.path, data.sha256, data.examples)
      }
      var other: TrainingData?
      if let path = arguments.string("eval-data") {
        other = try TrainingData(path: path, tokenizer: tokenizer, config: source.config, format: format, options: options)
      }
      heldOutData = other
    } catch let error as FormatError {
      throw CommandError(error.description)
    }
    guard let split else {
      (examples, heldOut) = (read, heldOutData?.examples ?? [])
      return
    }
    do throws(FormatError) {
      (examples, heldOut) = try TrainingData.split(read, of: path, .share(split), seed: UInt64(arguments.int("seed") ?? 0))
    } catch {
      throw CommandError(error.description)
    }
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
    return [data, heldOutData].compactMap { $0.flatMap(note) }
  }

  /// Tokens of examples as they go through the model.
  var rows: Int { examples.reduce(0) { $0 + $1.rows } }
  var scored: Int { examples.reduce(0) { $0 + $1.scored } }

  func tokensPerStep(_ plan: TrainingPlan) -> Double {
    let batches = Double(plan.accumulation)
    return switch plan.batch {
    case .examples(let count): batches * Double(count) * Double(rows) / Double(examples.count)
    case .tokens(let count): batches * Double(min(count, rows))
    }
  }

  /// Rows that no batch exceeds.
  func rowsOfLargestBatch(_ plan: TrainingPlan) -> Int {
    let lengths = examples.map(\.rows).sorted(by: >)
    return switch plan.batch {
    case .examples(let count): lengths.prefix(count).reduce(0, +) + lengths[0] * max(0, count - lengths.count)
    case .tokens(let count): max(count, lengths[0])
    }
  }

  /// What of the data determines a run's numbers.
  var identity: JSON.Object {
    [
      "data": .string(sha256), "held-out data": heldOutData.map { .string($0.sha256) } ?? nil,
      "eval-split": split.map { .double($0) } ?? nil, "max-tokens": .int(options.maxTokens), "long": .string(options.long.rawValue),
      "train-on": .string(options.scores.rawValue), "bos": .bool(options.bos), "chat-template": template.map { .string($0) } ?? nil,
    ]
  }
}
