import Evaluation
import Glibc

/// One figure of a task for one question.
public struct QuestionMetric: Sendable, Equatable {
  /// "acc"
  public var name: String
  public var filter: String
  public var aggregation: Aggregation
  public var isHigherBetter: Bool

  public var key: String { "\(name),\(filter)" }
}

/// Turns answers into figures, as `ConfigurableTask.process_results` of lm-evaluation-harness does.
public struct QuestionMetrics: Sendable {
  public let metrics: [QuestionMetric]
  private let output: TaskDefinition.Output
  private let filters: [AnswerFilter]
  private let match: ExactMatchRules

  public init(_ definition: TaskDefinition) {
    (output, filters, match) = (definition.output, definition.filters, definition.exactMatch)
    metrics = filters.flatMap { filter in
      definition.metrics.map {
        QuestionMetric(name: $0.name, filter: filter.name, aggregation: $0.aggregation, isHigherBetter: $0.isHigherBetter)
      }
    }
  }

  /// One value and one weight for each of `metrics`; weights are 1 where nothing is weighted.
  /// - Throws: where a search in an answer had to be given up.
  public func values(_ answer: ModelAnswer, to question: Question) throws(TextPattern.Refusal) -> [(value: Double, weight: Double)] {
    var values: [(Double, Double)] = []
    for metric in metrics {
      switch output {
      case .multipleChoice: values.append((choice(metric.name, answer, question), 1))
      case .logLikelihood: values.append((metric.name == "acc" ? answer.greedy[0] ? 1 : 0 : answer.logLikelihoods[0], 1))
      case .rolling: values.append((answer.logLikelihoods[0], weight(of: metric, question)))
      case .generate:
        let filter = filters.first { $0.name == metric.filter }!
        let text = try filter.apply(answer.text ?? "")
        var isRight = false
        for reference in [question.reference] + question.alternatives where !isRight { isRight = try match.agree(text, reference) }
        values.append((isRight ? 1 : 0, 1))
      }
    }
    return values
  }

  /// Words or bytes that a question counts for.
  func weight(of metric: QuestionMetric, _ question: Question) -> Double {
    Double(metric.name == "word_perplexity" ? EvaluationText.wordCount(question.counted) : question.counted.utf8.count)
  }

  /// By filter, what was taken out of a written answer; nil for what is scored and not written.
  func filtered(_ answer: ModelAnswer) throws(TextPattern.Refusal) -> [(filter: String, text: String?)] {
    var found: [(String, String?)] = []
    for filter in filters { found.append((filter.name, output == .generate ? try filter.apply(answer.text ?? "") : nil)) }
    return found
  }

  private func choice(_ name: String, _ answer: ModelAnswer, _ question: Question) -> Double {
    let values = answer.logLikelihoods
    if name == "acc", let labels = question.labels { return QuestionMetrics.trueShare(values, labels) }
    let scores: [Double]
    switch name {
    case "acc_norm": scores = zip(values, question.choices).map { $0 / Double($1.unicodeScalars.count) }
    case "acc_bytes": scores = zip(values, question.choices).map { $0 / Double($1.utf8.count) }
    case "exact_match": return question.gold.contains { answer.greedy[$0] } ? 1 : 0
    default: scores = values
    }
    return question.gold.contains(QuestionMetrics.first(scores)) ? 1 : 0
  }

  /// The first of the greatest.
  private static func first(_ scores: [Double]) -> Int {
    scores.indices.dropFirst().reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
  }

  /// MC2 of TruthfulQA (arXiv 2109.07958): the probability of all true answers among all that are offered.
  private static func trueShare(_ logLikelihoods: [Double], _ labels: [Double]) -> Double {
    // A shift changes no share, and the harness' own exp of large losses would be 0 / 0.
    let greatest = logLikelihoods.max() ?? 0
    let probabilities = logLikelihoods.map { exp($0 - greatest) }
    let sum = probabilities.reduce(0, +)
    return zip(probabilities, labels).reduce(0) { $1.1 == 1 ? $0 + $1.0 : $0 } / sum
  }
}
