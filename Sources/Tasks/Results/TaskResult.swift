/// How the figures of single questions become one.
public enum Aggregation: String, Sendable, Equatable {
  case mean
  /// exp(-mean) of log-likelihoods, nats
  case perplexity
  /// exp(-Σ values / Σ weights)
  case weightedPerplexity = "weighted_perplexity"
  /// -Σ values / Σ weights / ln 2
  case bitsPerByte = "bits_per_byte"
}

/// One figure of one task: "acc,none" in lm-evaluation-harness' results.
public struct MetricResult: Sendable, Equatable {
  /// "acc"
  public var name: String
  /// What the answer went through first: "none", "strict-match".
  public var filter: String
  public var aggregation: Aggregation
  public var isHigherBetter: Bool
  /// One per question, in the order of the data.
  public var items: [Double]
  /// One per question, for weighted aggregations: words or bytes.
  public var weights: [Double]?
  public var value: Double
  /// nil where the harness gives none.
  public var standardError: Double?

  public init(
    name: String, filter: String = "none", aggregation: Aggregation = .mean, isHigherBetter: Bool = true, items: [Double],
    weights: [Double]? = nil, value: Double, standardError: Double?
  ) {
    (self.name, self.filter, self.aggregation, self.isHigherBetter) = (name, filter, aggregation, isHigherBetter)
    (self.items, self.weights, self.value, self.standardError) = (items, weights, value, standardError)
  }

  public var key: String { "\(name),\(filter)" }
}

/// What one model scored in one task.
public struct TaskResult: Sendable, Equatable {
  /// "mmlu_anatomy"
  public var name: String
  /// What tables call it: "anatomy".
  public var alias: String
  public var version: String
  /// Examples in front of each question.
  public var shots: Int
  /// Questions in the data; fewer were asked under a limit.
  public var questions: Int
  /// The task's main one first.
  public var metrics: [MetricResult]
  /// The task as it was defined, for the report.
  public var definition: String

  public init(
    name: String, alias: String, version: String, shots: Int, questions: Int, metrics: [MetricResult], definition: String = ""
  ) {
    (self.name, self.alias, self.version, self.shots) = (name, alias, version, shots)
    (self.questions, self.metrics, self.definition) = (questions, metrics, definition)
  }

  /// Questions that were asked; a metric may leave some of them out.
  public var asked: Int { metrics.map(\.items.count).max() ?? 0 }

  public subscript(key: String) -> MetricResult? { metrics.first { $0.key == key } }
}

/// Tasks, and groups of groups, that are reported together: "mmlu" of "mmlu_stem" and others.
public struct TaskGroup: Sendable, Equatable {
  public var name: String
  public var alias: String
  public var version: String
  /// Names of tasks or groups.
  public var members: [String]
  /// Metrics that the group has as well, and whether large tasks count more.
  public var metrics: [Metric]

  public struct Metric: Sendable, Equatable {
    public var name: String
    public var isWeightedBySize: Bool

    public init(name: String, isWeightedBySize: Bool) { (self.name, self.isWeightedBySize) = (name, isWeightedBySize) }
  }

  public init(name: String, alias: String, version: String, members: [String], metrics: [Metric]) {
    (self.name, self.alias, self.version, self.members, self.metrics) = (name, alias, version, members, metrics)
  }
}
