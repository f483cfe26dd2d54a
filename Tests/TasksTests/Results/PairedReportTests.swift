import JSON
@testable import Tasks
import TensorCore
import Testing

/// Three models on the 57 subjects of a made-up MMLU and three more tasks: the second as good as the base, the third much worse in two subjects.
struct PairedReportTests {
  static let subjects: [(group: String, names: [String])] = [
    (
      "stem",
      [
        "abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry", "college_computer_science",
        "college_mathematics", "college_physics", "computer_security", "conceptual_physics", "electrical_engineering",
        "elementary_mathematics", "high_school_biology", "high_school_chemistry", "high_school_computer_science",
        "high_school_mathematics", "high_school_physics", "high_school_statistics", "machine_learning",
      ]
    ),
    (
      "humanities",
      [
        "formal_logic", "high_school_european_history", "high_school_us_history", "high_school_world_history", "international_law",
        "jurisprudence", "logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy", "prehistory", "professional_law",
        "world_religions",
      ]
    ),
    (
      "social_sciences",
      [
        "econometrics", "high_school_geography", "high_school_government_and_politics", "high_school_macroeconomics",
        "high_school_microeconomics", "high_school_psychology", "human_sexuality", "professional_psychology", "public_relations",
        "security_studies", "sociology", "us_foreign_policy",
      ]
    ),
    (
      "other",
      [
        "business_ethics", "clinical_knowledge", "college_medicine", "global_facts", "human_aging", "management", "marketing",
        "medical_genetics", "miscellaneous", "nutrition", "professional_accounting", "professional_medicine", "virology",
      ]
    ),
  ]

  static let groups: [TaskGroup] =
    [MadeUpTasks.group("mmlu", subjects.map { "mmlu_\($0.group)" })]
    + subjects.map { part in MadeUpTasks.group("mmlu_\(part.group)", part.names.map { "mmlu_\($0)" }, alias: part.group) }

  /// `harm`: the share of questions that are lost in philosophy and high school physics, and of the log-likelihood elsewhere.
  static func model(_ name: String, flips: Double, harm: Double) -> TaskReport.Model {
    func right(_ task: Int, _ questions: Int, _ share: Double, isHarmed: Bool = false) -> [Double] {
      (0..<questions).map { question in
        func draw(_ use: UInt64) -> Double { SplitMix64.fraction(UInt64(question), seed: SplitMix64.seed(UInt64(task), for: use)) }
        let base = draw(0) < share
        if isHarmed, draw(1) < harm { return 0 }
        return draw(2) < flips ? (draw(3) < share ? 1 : 0) : base ? 1 : 0
      }
    }
    func result(_ name: String, _ alias: String, _ metrics: [MetricResult]) -> TaskResult {
      TaskResult(name: name, alias: alias, version: "1.0", shots: 0, questions: 400, metrics: metrics)
    }
    let names = subjects.flatMap(\.names)
    var results = names.enumerated().map { index, subject in
      let isHarmed = subject == "philosophy" || subject == "high_school_physics"
      let items = right(index, 100 + index * 13 % 90, 0.28 + Double(index % 9) / 20, isHarmed: isHarmed)
      return result("mmlu_\(subject)", subject, [MetricResult(measuring: "acc", items: items)])
    }
    let likelihoods = MadeUpTasks.likelihoods(3, 400).enumerated().map { $1 / 2 - harm * Double(($0 * 13 + 5) % 7) / 4 }
    results += [
      result(
        "hellaswag", "hellaswag",
        [MetricResult(measuring: "acc", items: right(100, 400, 0.45)), MetricResult(measuring: "acc_norm", items: right(101, 400, 0.55))]),
      result(
        "lambada_openai", "lambada_openai",
        [
          MetricResult(measuring: "perplexity", aggregation: .perplexity, isHigherBetter: false, items: likelihoods, draws: 1000),
          MetricResult(measuring: "acc", items: right(102, 400, 0.5, isHarmed: true)),
        ]),
      result("gsm8k", "gsm8k", [MetricResult(measuring: "exact_match", filter: "flexible-extract", items: right(103, 120, 0.2))]),
    ]
    let divergences = Dictionary(
      uniqueKeysWithValues: results.map { ($0.name, TaskReport.Divergence(mean: flips / 3 + harm, positions: 400)) })
    return TaskReport.Model(
      name: name, path: "models/\(name).hoof", fingerprint: name, parameters: 15_700_000, type: "bf16", seconds: 83, results: results,
      divergences: divergences)
  }

  static let models: [TaskReport.Model] = [
    model("talespin-15m", flips: 0, harm: 0), model("talespin-15m-one-layer", flips: 0.06, harm: 0),
    model("talespin-15m-half", flips: 0.1, harm: 0.7),
  ]
  private let report: TaskReport = TaskReport(models: models, groups: groups, conditions: MadeUpTasks.conditions, isCompared: true)

  private func row(_ pairing: Int, _ name: String) throws -> TaskPairing.Row {
    try #require(report.pairings[pairing].rows.first { $0.name == name })
  }

  @Test("a harmed subject is found among 57, and the others are not")
  func subjects() throws {
    #expect(report.pairings.map(\.cut) == ["talespin-15m-one-layer", "talespin-15m-half"])
    let lost = report.pairings.map { $0.rows.filter { !$0.isGroup && $0.depth > 0 && $0.differences[0].verdict == .lost }.map(\.alias) }
    #expect(lost == [[], ["philosophy", "high_school_physics"]])
    let philosophy = try row(1, "mmlu_philosophy").differences[0]
    #expect(philosophy.adjustedPValue.map { $0 > philosophy.pValue && $0 < 0.05 } == true)
  }

  @Test("what is in no group is corrected together: main metrics whatever they are called, further ones with all of their name")
  func topLevel() throws {
    let names = ["mmlu", "gsm8k", "hellaswag", "lambada_openai"]
    for pairing in 0...1 {
      let main = try names.map { try row(pairing, $0).differences[0] }
      #expect(main.map(\.metric) == ["acc,none", "exact_match,flexible-extract", "acc,none", "perplexity,none"])
      #expect(main.map(\.adjustedPValue) == HolmCorrection.adjusted(main.map(\.pValue)))
    }
    // acc_norm is the only one of its kind, LAMBADA's acc is one of three.
    #expect(try row(1, "hellaswag").differences[1].adjustedPValue == nil)
    let further = try row(1, "lambada_openai").differences[1]
    let all = try [further, row(1, "mmlu").differences[0], row(1, "hellaswag").differences[0]]
    #expect(all.allSatisfy { $0.metric == "acc,none" } && further.adjustedPValue == HolmCorrection.adjusted(all.map(\.pValue))[0])
    let single = TaskReport(
      models: Self.models.map { model in
        var model = model
        model.results = model.results.filter { $0.name == "hellaswag" }
        return model
      }, groups: [], conditions: MadeUpTasks.conditions, isCompared: true)
    #expect(single.pairings[1].rows.flatMap(\.differences).allSatisfy { $0.adjustedPValue == nil })
  }

  @Test("ten tasks that two equal models answer by chance: a task is called lost in one run of twenty, not in six")
  func falseAlarms() {
    func model(_ run: UInt64, _ side: UInt64) -> TaskReport.Model {
      let results = (0..<10).map { task -> TaskResult in
        let seed = SplitMix64.seed(SplitMix64.seed(run, for: side), for: UInt64(task))
        let items = (0..<200).map { SplitMix64.fraction(UInt64($0), seed: seed) < 0.5 ? 1.0 : 0 }
        return TaskResult(
          name: "task\(task)", alias: "", version: "1", shots: 0, questions: 200, metrics: [MetricResult(measuring: "acc", items: items)])
      }
      return TaskReport.Model(name: "\(side)", path: "", fingerprint: "", seconds: 0, results: results)
    }
    var (alarms, uncorrected) = (0, 0)
    for run in 0..<200 {
      let report = TaskReport(
        models: [model(UInt64(run), 0), model(UInt64(run), 1)], groups: [], conditions: MadeUpTasks.conditions, isCompared: true)
      let pairs = report.pairings[0].rows.map { $0.differences[0] }
      if pairs.contains(where: { $0.verdict == .lost || $0.verdict == .gained }) { alarms += 1 }
      if pairs.contains(where: { $0.pValue < 0.05 }) { uncorrected += 1 }
    }
    // At most 5 % of 200, and three standard deviations.
    #expect(alarms <= 19 && uncorrected > 40, "\(alarms), \(uncorrected)")
  }

  @Test("a group's flips and divergence are those of its tasks together")
  func group() throws {
    let stem = Self.subjects[0].names
    let rows = try stem.map { try row(1, "mmlu_\($0)") }
    let whole = try row(1, "mmlu_stem")
    #expect(whole.differences[0].lost == rows.reduce(0) { $0 + $1.differences[0].lost })
    #expect(whole.differences[0].questions == rows.reduce(0) { $0 + $1.differences[0].questions })
    #expect(whole.divergence == TaskReport.Divergence(mean: whole.divergence!.mean, positions: 400 * stem.count))
    #expect((whole.divergence!.mean - (0.1 / 3 + 0.7)).magnitude < 1e-12)
    let scores = report.groupResults(of: report.models[2]).first { $0.name == "mmlu_stem" }
    #expect(scores?.metrics[0].score.value == whole.differences[0].cut)
  }

  @Test("the table for a terminal keeps to 140 columns and names what was lost")
  func text() {
    let text = report.pairings[1].text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 140 })
    #expect(text.hasPrefix("talespin-15m-half against talespin-15m\n\ntask "))
    #expect(
      text.split(separator: "\n").joined(separator: " ").contains("Of its 57 tasks 2 lost by themselves (philosophy, high_school_physics).")
    )
    #expect(text.contains("no evidence of harm at this sample size") && !text.contains("−"))
    #expect(text.contains("\n  high_school_macroeconomics ") && text.contains("flexible-extract"))
  }

  @Test("JSON of several models has each one's layout under its name, and the paired figures")
  func json() throws {
    let json = report.json
    #expect(json["models"]?.object?.names == Self.models.map(\.name))
    #expect(json["models"]?["talespin-15m"] == report.json(of: report.models[0]))
    #expect(json["models"]?["talespin-15m-half"]?["results"]?["mmlu"]?["acc,none"]?.double != nil)
    let comparison = try #require(json["hoof"]?["comparison"]?.array)
    let pair = try #require(comparison.last?["tasks"]?["mmlu_philosophy"]?["acc,none"])
    #expect(comparison.last?["tasks"]?["lambada_openai"]?["perplexity,none"]?["smallest_loss_shown"] == .null)
    #expect(pair["smallest_loss_shown"]?.double != nil)
    #expect(pair["verdict"]?.string == "lost" && pair["interval"]?.array?.count == 2 && pair["p_holm"]?.double != nil)
    let counts = ["lost", "won", "both_right", "both_wrong"].compactMap { pair[$0]?.int }
    #expect(counts.count == 4 && counts.reduce(0, +) == pair["questions"]?.int)
    #expect(comparison.first?["groups"]?["mmlu"]?["kl"]?.double != nil)
    #expect(json["models"]?["talespin-15m-half"]?["hoof"]?["comparison"] == comparison.last)
    #expect(try JSON(parsing: json.text(pretty: true)) == json)
  }

  @Test("models of one name are told apart, and so is what a stranger's name may not do")
  func names() {
    let twice = TaskReport(models: [Self.models[0], Self.models[0]], groups: Self.groups, conditions: MadeUpTasks.conditions)
    #expect(twice.models.map(\.name) == ["talespin-15m", "talespin-15m (2)"] && twice.pairings.isEmpty)
    #expect(
      TaskReport.distinct(["a (x)", "a (x)", "a (x) (2)", "b", "a (x)"]) == ["a (x)", "a (x) (2)", "a (x) (2) (2)", "b", "a (x) (3)"])
    var hostile = Self.models[1]
    hostile.name = "<script>alert(1)</script>\n\u{1B}[2J"
    let report: TaskReport = TaskReport(
      models: [Self.models[0], hostile], groups: Self.groups, conditions: MadeUpTasks.conditions, isCompared: true)
    #expect(!TaskReportPage.html(report).contains("<script") && !report.pairings[0].text.contains("\u{1B}"))
  }

  @Test("a group within itself ends")
  func circle() {
    let groups = [
      MadeUpTasks.group("a", ["b", "mmlu_anatomy"]), MadeUpTasks.group("b", ["a"]), MadeUpTasks.group("c", ["c", "hellaswag"]),
    ]
    let report = TaskReport(models: Array(Self.models.prefix(2)), groups: groups, conditions: MadeUpTasks.conditions, isCompared: true)
    #expect(report.table(of: report.models[0]).contains("hellaswag") && !TaskReportPage.html(report).isEmpty)
  }

  @Test("the page has every subject, mark and number, and nothing from elsewhere")
  func page() throws {
    let page = TaskReportPage.html(report)
    for name in Self.subjects.flatMap(\.names) { #expect(page.contains(TaskReportPage.plain(name)), "\(name)") }
    #expect(page.contains("high school physics ▼3") && page.contains("talespin-15m-half against talespin-15m"))
    // A paragraph for each model; what shows nothing is only named.
    let list = try String(
      page[#require(page.firstRange(of: "<ul class=\"summary\"")).lowerBound..<#require(page.firstRange(of: "<section")).lowerBound])
    #expect(list.components(of: "<li>") == 2 && list.components(of: "No evidence of harm at this sample size in ") == 2)
    #expect(!page.contains("http") && !page.contains("<script") && !page.contains("nan"))
    // Scores, subjects, a paired table for either cut, all numbers; three tables and every drawing say what they are.
    #expect(page.components(of: "<section") == 5 && page.components(of: "aria-label=\"") == page.components(of: "<svg role=\"img\"") + 3)
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
