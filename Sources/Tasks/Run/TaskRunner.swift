import Evaluation
import Formats
import JSON
import TensorCore
import Tokenization
import Transformer

/// A model that is examined.
public struct Examinee: Sendable {
  public var model: Llama
  /// The same for all models of one runner, so that they read the same tokens.
  public var encoder: RequestEncoder
  /// Tokens that end what it writes.
  public var ends: Set<Int32>

  public init(model: Llama, encoder: RequestEncoder, ends: Set<Int32>) { (self.model, self.encoder, self.ends) = (model, encoder, ends) }
}

/// A question that cannot be put, or an answer that cannot be judged.
public struct TaskRunError: Error, Sendable, CustomStringConvertible { public let description: String }

/// What a model scored in a task, and how far what it predicts is from the first model.
public struct TaskOutcome: Sendable {
  public var result: TaskResult
  /// Mean KL(first ‖ this), nats, over `positions` scored positions, each once; nil for the first model, and for written answers.
  public var divergence: Double?
  public var positions: Int
}

/// Puts the questions of tasks to one model, or to several at once that are compared with the first. Questions come and go in portions: what stays of one is its
/// figures.
public struct TaskRunner {
  public struct Options: Sendable {
    /// Examples in front of each question; nil for what the task says.
    public var shots: Int?
    /// Only so many questions of each task.
    public var limit: Int?
    /// Of the choice of examples.
    public var seed: UInt32 = 1234
    /// Resamples of bootstrapped standard errors.
    public var draws = Aggregation.harnessDraws
    public init() {}

    /// A task that says it has none has none, as in the harness.
    public func shots(_ task: TaskData) -> Int { task.definition.shots == 0 ? 0 : shots ?? task.definition.shots ?? 0 }
  }

  public enum Event: Sendable {
    /// So many questions, or parts of one, are done.
    case questions(Double)
    case note(String)
    /// The share of a bootstrap that is done.
    case resampling(Double)
  }

  /// A question with all models' answers and figures (`QuestionMetrics.metrics`), in order.
  public struct Record {
    public var index: Int
    public var row: JSON
    public var question: Question
    public var answers: [ModelAnswer]
    public var values: [[Double]]
  }

  public let examinees: [Examinee]
  public let options: Options
  var scorer: ContinuationScorer

  /// Questions that come and go together: fewer of large models, so that a kill costs minutes and not hours, and more where a device wants
  /// full batches. Always the same for a model on a device, because what is in a batch moves the last digits.
  private let portion: Int
  private static let portions = 64...512
  private static let parametersOfPortion = 16_000_000_000
  /// How much faster a GPU is, at least.
  private static let speedOfDevice = 1000

  public init(_ examinees: [Examinee], options: Options = Options()) {
    (self.examinees, self.options) = (examinees, options)
    scorer = ContinuationScorer(examinees.map(\.model))
    let parameters = examinees.map(\.model.config.parameterCount).max() ?? 1
    let speed = examinees.first?.model.backend.usefulRows == nil ? 1 : TaskRunner.speedOfDevice
    let fitting = TaskRunner.parametersOfPortion * speed / max(1, parameters)
    portion = min(max(fitting, TaskRunner.portions.lowerBound), TaskRunner.portions.upperBound)
  }

  /// How many questions a task is asked.
  public func asked(_ task: TaskData) -> Int { min(options.limit ?? task.count, task.count) }

  /// One outcome for each examinee.
  /// - Parameters:
  ///   - caches: of each examinee's answers; nil keeps none.
  ///   - record: sees every question.
  /// - Throws: `FormatError`, `TaskRunError`, `BackendError`, `EvaluationError`, or what the closures throw.
  public mutating func run(
    _ task: TaskData, caches: [AnswerCache?], monitor: (Event) throws -> Void, record: (Record) throws -> Void = { _ in }
  ) throws -> [TaskOutcome] {
    precondition(caches.count == examinees.count, "runner: \(caches.count) caches for \(examinees.count) models")
    let figures = QuestionMetrics(task.definition)
    let asked = asked(task)
    var values = Array(repeating: Array(repeating: [Double](), count: figures.metrics.count), count: examinees.count)
    var weights = Array(repeating: [Double](), count: figures.metrics.count)
    var divergence = Array(repeating: (sum: 0.0, positions: 0), count: examinees.count)
    var sampler = FewShotSampler(task, count: options.shots(task), seed: options.seed)

    for start in stride(from: 0, to: asked, by: portion) {
      let range = start..<min(start + portion, asked)
      var questions: [Question] = []
      for index in range { questions.append(try task.question(index, examples: sampler.next(for: index))) }
      let answers = try answers(to: questions, range, task, caches, monitor)
      for (offset, question) in questions.enumerated() {
        var found: [[Double]] = []
        for model in examinees.indices {
          let answer = answers[model][offset]
          let figure = try judge(figures, answer, question, task, range.lowerBound + offset)
          for (metric, value) in figure.enumerated() {
            values[model][metric].append(value.value)
            if model == 0 { weights[metric].append(value.weight) }
          }
          divergence[model].sum += answer.divergence
          divergence[model].positions += answer.positions
          found.append(figure.map(\.value))
        }
        let index = range.lowerBound + offset
        try record(
          Record(index: index, row: task.row(index), question: question, answers: answers.map { $0[offset] }, values: found))
      }
    }
    return try examinees.indices.map { model in
      caches[model]?.sync()
      let result = try result(task, figures, values[model], weights, monitor)
      let isCompared = model > 0 && task.definition.output != .generate && divergence[model].positions > 0
      return TaskOutcome(
        result: result, divergence: isCompared ? divergence[model].sum / Double(divergence[model].positions) : nil,
        positions: divergence[model].positions)
    }
  }

  private func result(
    _ task: TaskData, _ figures: QuestionMetrics, _ values: [[Double]], _ weights: [[Double]], _ monitor: (Event) throws -> Void
  ) throws -> TaskResult {
    let metrics = try figures.metrics.enumerated().map { index, metric in
      try MetricResult(
        measuring: metric.name, filter: metric.filter, aggregation: metric.aggregation, isHigherBetter: metric.isHigherBetter,
        items: values[index], weights: metric.aggregation.isWeighted ? weights[index] : nil, draws: options.draws
      ) { share in try monitor(.resampling(share)) }
    }
    return TaskResult(
      name: task.definition.name, alias: task.definition.alias, version: task.definition.version, shots: options.shots(task),
      questions: task.count, metrics: metrics, definition: task.definition.source.text())
  }

  private func judge(
    _ figures: QuestionMetrics, _ answer: ModelAnswer, _ question: Question, _ task: TaskData, _ index: Int
  ) throws -> [(value: Double, weight: Double)] {
    guard answer.logLikelihoods.allSatisfy(\.isFinite) else {
      throw TaskRunError(description: "the model's losses are not numbers: its weights overflow; check the file it was made from")
    }
    do throws(TextPattern.Refusal) { return try figures.values(answer, to: question) } catch {
      throw TaskRunError(description: "\(task.place(of: index)): the answer cannot be judged: \(error)")
    }
  }
}
