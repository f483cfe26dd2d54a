import Evaluation
import Formats
import Generation
import TensorCore
import Tokenization
import Transformer

/// Training data whose answers a model wrote: with the uncut model as the writer, a cut model is healed on what its original would have said
/// (self-data distillation, arXiv 2410.09982), which keeps it closer to the original than answers of other origin do.
public struct WrittenData: Sendable {
  public struct Options: Sendable, Equatable {
    /// Most ids of prompt and answer together; prompts that leave no room are left out.
    public var maxTokens: Int
    public var maxNewTokens: Int
    public var sampling: Sampler.Options
    /// Answers written side by side, as far as memory reaches.
    public var slots: Int
    /// Ids of a plain text that serve as a prompt.
    public var lead: Int
    /// Whether the writer is shown the answer that a conversation or an instruction has, and asked to say it in its own words: it then knows
    /// what is right, and the answer still has its own style. Without, and where there is no answer, it answers by itself.
    public var showsAnswers: Bool
    /// As for training data.
    public var bos: Bool

    public init(
      maxTokens: Int, maxNewTokens: Int, sampling: Sampler.Options = .greedy, slots: Int = 16, lead: Int = 16, showsAnswers: Bool = false,
      bos: Bool = true
    ) {
      (self.maxTokens, self.maxNewTokens, self.sampling, self.slots) = (maxTokens, maxNewTokens, sampling, slots)
      (self.lead, self.showsAnswers, self.bos) = (lead, showsAnswers, bos)
    }
  }

  /// Prompt and written answer, which is scored with the token that ends it; in the order of the file.
  public let examples: [TrainingExample]
  /// The finished answers as JSONL: `prompt` and `completion`, or `messages`. Read as training data, it gives these examples again where the
  /// tokenizer cuts the answers as the model wrote them.
  public let lines: String
  /// Answers that ran into a limit; they are among the examples, without an end, and not among the lines.
  public let unfinishedCount: Int
  /// Prompts that the model answered with nothing; they are left out.
  public let emptyCount: Int
  /// Prompts that leave no room for an answer; they are left out.
  public let droppedCount: Int

  /// - Parameter path: a file as `TrainingData` reads it; its answers, if it has any, are at most shown to the writer.
  /// - Throws: `FormatError` for the file, also when nothing is left of it; `BackendError`; or what the monitor throws.
  public init(
    path: String, writer model: Llama, tokenizer: Tokenizer, format: ChatFormat, options: Options,
    monitor: AnswerWriter.Monitor = { _ in }
  ) throws {
    let corpus = try Corpus(path: path)
    let limit = min(options.maxTokens, model.config.contextLength)
    let maker = ExampleMaker(
      path: path, tokenizer: tokenizer, config: model.config, format: format, options: .init(maxTokens: limit, bos: options.bos))
    var tasks: [(task: WritingTask, limit: Int)] = []
    for (text, place) in zip(corpus.texts, corpus.places) {
      let task = try maker.task(for: text, place, lead: options.lead, showsAnswers: options.showsAnswers)
      // The example has room for the end too; a question need not fit into the example, but into the context.
      let room = min(limit - 1 - task.prompt.count, model.config.contextLength - task.question.count)
      if room > 0 { tasks.append((task, min(room, options.maxNewTokens))) }
    }
    droppedCount = corpus.texts.count - tasks.count
    guard !tasks.isEmpty else {
      throw FormatError(path, nil, "no prompt leaves room for an answer within \(limit) tokens; raise --max-tokens")
    }

    let stops = Set(model.config.eosTokens.map(Int32.init) + tasks.compactMap(\.task.end))
    let writer = AnswerWriter(model, stops: stops, sampling: options.sampling, slots: options.slots)
    let answers = try writer.answers(to: tasks.map { .init($0.task.question, limit: $0.limit) }, monitor: monitor)

    var (examples, lines, unfinished, empty) = ([TrainingExample](), "", 0, 0)
    for ((task, _), answer) in zip(tasks, answers) {
      let text = String(decoding: answer.ids.flatMap(tokenizer.decodeBytes), as: UTF8.self)
      guard text.contains(where: { !$0.isWhitespace }) else {
        empty += 1
        continue
      }
      var written = answer.ids
      if answer.isFinished, let end = task.end { written.append(end) }
      examples.append(
        TrainingExample(
          ids: task.prompt + written, isScored: task.prompt.map { _ in false } + written.map { _ in true }, place: task.place))
      if answer.isFinished { lines += task.line(answer: text) + "\n" } else { unfinished += 1 }
    }
    guard !examples.isEmpty else { throw FormatError(path, nil, "the model answered none of the \(tasks.count) prompts") }
    (self.examples, self.lines) = (examples, lines)
    (unfinishedCount, emptyCount) = (unfinished, empty)
  }
}
