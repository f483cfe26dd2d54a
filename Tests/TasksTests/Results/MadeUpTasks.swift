import Tasks

/// Scores that nobody measured, by formulas simple enough to be made again elsewhere.
enum MadeUpTasks {
  static func right(_ number: Int, _ questions: Int) -> [Double] {
    (0..<questions).map { ($0 * (7 + 2 * number) + 3 * number) % 10 < 4 + number % 4 ? 1 : 0 }
  }

  static func likelihoods(_ number: Int, _ questions: Int) -> [Double] { (0..<questions).map { -Double(($0 * 37 + number) % 101) / 10 } }

  static let conditions = TaskReport.Conditions(
    program: "hoof", backend: "cpu", precision: "f32", limit: 40, dataFolder: "data/tasks", draws: 2000)

  /// One model: stock tasks, a small MMLU, a group without a metric and one that weighs its tasks evenly.
  static var report: TaskReport {
    let model = TaskReport.Model(name: "base", path: "models/base.hoof", fingerprint: "ab12", seconds: 12.5, results: results)
    return TaskReport(models: [model], groups: groups, conditions: conditions)
  }

  static let groups: [TaskGroup] = [
    group("mmlu", ["mmlu_stem", "mmlu_other", "mmlu_humanities"]), group("mmlu_stem", ["mmlu_astronomy", "mmlu_anatomy"], alias: "stem"),
    group("mmlu_other", ["mmlu_virology"], alias: "other"), group("mmlu_humanities", ["mmlu_philosophy"], alias: "humanities"),
    TaskGroup(
      name: "copa", alias: "copa pair", version: "N/A", members: ["copa_one", "copa_two"],
      metrics: [.init(name: "acc", isWeightedBySize: false)]),
    TaskGroup(name: "bag", alias: "bag", version: "1", members: ["arc_easy", "gsm8k"], metrics: []),
  ]

  static func group(_ name: String, _ members: [String], alias: String? = nil) -> TaskGroup {
    TaskGroup(
      name: name, alias: alias ?? name, version: "2", members: members, metrics: [.init(name: "acc", isWeightedBySize: true)])
  }

  private static var results: [TaskResult] {
    let words = (0..<10).map { Double(20 + $0 % 7) }
    let bytes = (0..<10).map { Double(110 + $0 % 13) }
    func document(_ name: String, _ aggregation: Aggregation, _ weights: [Double]) -> MetricResult {
      MetricResult(
        measuring: name, aggregation: aggregation, isHigherBetter: false, items: likelihoods(1, 10), weights: weights)
    }
    let perplexity = MetricResult(
      measuring: "perplexity", aggregation: .perplexity, isHigherBetter: false, items: likelihoods(0, 30), draws: 2000)
    func share(_ name: String, _ number: Int, _ questions: Int, filter: String = "none") -> MetricResult {
      MetricResult(measuring: name, filter: filter, items: right(number, questions))
    }
    return [
      task("arc_easy", of: 60, [share("acc", 0, 40), share("acc_norm", 1, 40)]),
      task("lambada_openai", of: 30, [perplexity, share("acc", 2, 30)]),
      task(
        "wikitext", version: "2.0", of: 10,
        [
          document("word_perplexity", .weightedPerplexity, words), document("byte_perplexity", .weightedPerplexity, bytes),
          document("bits_per_byte", .bitsPerByte, bytes),
        ]),
      task(
        "gsm8k", version: "3.0", shots: 5, of: 20,
        [share("exact_match", 3, 20, filter: "strict-match"), share("exact_match", 4, 20, filter: "flexible-extract")]),
      task("mmlu_virology", alias: "virology", shots: 5, of: 17, [share("acc", 5, 17)]),
      task("mmlu_astronomy", alias: "astronomy", shots: 5, of: 33, [share("acc", 6, 33)]),
      task("mmlu_anatomy", alias: "anatomy", shots: 5, of: 25, [share("acc", 7, 25)]),
      task("mmlu_philosophy", alias: "philosophy", shots: 5, of: 41, [share("acc", 8, 41)]),
      task("copa_one", alias: "one", version: "0.1", of: 1, [share("acc", 9, 1)]),
      task("copa_two", alias: "two", version: "0.1", shots: 2, of: 12, [share("acc", 10, 12)]),
    ]
  }

  private static func task(
    _ name: String, alias: String? = nil, version: String = "1.0", shots: Int = 0, of questions: Int, _ metrics: [MetricResult]
  ) -> TaskResult {
    TaskResult(
      name: name, alias: alias ?? name, version: version, shots: shots, questions: questions, metrics: metrics,
      definition: #"{"task": "\#(name)", "output_type": "multiple_choice"}"#)
  }
}
