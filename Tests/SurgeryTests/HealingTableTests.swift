import Glibc
import JSON
import TestSupport
import Testing

@testable import Surgery

/// What a comparison says about healed cuts.
struct HealingTableTests {
  typealias Samples = ComparisonSamples

  /// A cut that lost ln 2 nats, healed to three quarters of the way back and made worse.
  static let table: ComparisonTable = {
    func row(_ kind: Healing.Kind?, _ loss: Double, other: Double) -> ComparisonTable.Row {
      let name = kind.map { $0 == .none ? "tail −3" : "tail −3 + \($0.rawValue)" } ?? "base"
      var row = Samples.row(
        name, strategy: kind == nil ? nil : "tail", amount: kind == nil ? nil : 3, layers: kind == nil ? 8 : 5, loss: loss,
        divergence: loss - log(8), decode: [1, 1])
      row.healing = kind.map { Healing(kind: $0, cut: "tail −3", steps: $0.isTrained ? 50 : 0, seconds: 2) }
      row.outOfDomain = Samples.outcome(loss: other, divergence: 0.1)
      row.generation = GenerationCheck([[1, 2, 3, 4]], base: [[1, 2, 5, 4]])
      return row
    }
    var table = Samples.table([
      row(nil, log(8), other: 5), row(Healing.Kind.none, log(16), other: 6), row(.distill, log(8) + 0.25 * log(2), other: 5.5),
      row(.sft, log(32), other: 5.9),
    ])
    var conditions = table.conditions
    conditions.outOfDomain = .init(path: "other.txt", sha256: "cd", scoredTokens: 77)
    conditions.healing = .init(path: "train.jsonl", sha256: "ef", steps: 50, batch: 8, maxTokens: 128)
    conditions.generation = GenerationCheck.Plan()
    return ComparisonTable(table.rows, under: conditions, seconds: 1)
  }()

  @Test("what came back is a share of the cross-entropy that the same cut lost")
  func recovery() throws {
    let (table, rows) = (Self.table, Self.table.rows)
    #expect(table.recovery(of: rows[0]) == nil && table.recovery(of: rows[1]) == nil)
    #expect(abs(try #require(table.recovery(of: rows[2])) - 0.75) < 1e-9)
    #expect(abs(try #require(table.recovery(of: rows[3])) + 1) < 1e-9)
    #expect(abs(try #require(table.outOfDomainRecovery(of: rows[2])) - 0.5) < 1e-9)
    var lossless = rows
    lossless[1].outcome = Samples.outcome(loss: log(7), divergence: 0.1)
    let other = ComparisonTable(lossless, under: table.conditions, seconds: 1)
    #expect(other.recovery(of: lossless[2]) == nil)
  }

  @Test("findings name the way that brings most back; methods are compared unhealed")
  func findings() {
    let findings = Self.table.findings.joined(separator: "\n")
    #expect(
      findings.contains("Of the cross-entropy that tail −3 lost, distill brings back most: 75 %, and 50 % on text of another domain."))
    #expect(!findings.contains("changes the predictions least"))
  }

  @Test("JSON, CSV and page tell how each row was healed")
  func outputs() throws {
    let rows = try #require(Self.table.json["rows"]?.array)
    #expect(rows[0]["heal"]?.isNull == true && rows[1]["heal"]?["kind"] == "none" && rows[2]["heal"]?["kind"] == "distill")
    #expect(rows[2]["heal"]?["steps"] == 50 && rows[2]["heal"]?["cut"] == "tail −3")
    #expect(abs((rows[2]["heal"]?["recovered_pct"]?.double ?? 0) - 75) < 1e-6)
    #expect(rows[2]["generation"]?["agreement"]?.double == 0.75 && rows[2]["generation"]?["prefix"]?.double == 0.5)
    #expect(abs((rows[2]["ood_perplexity"]?.double ?? 0) - exp(5.5)) < 1e-6)
    #expect(Self.table.json["heal"]?["path"] == "train.jsonl" && Self.table.json["ood"]?["scored_tokens"] == 77)
    let lines = Self.table.csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let column = try #require(lines[0].firstIndex(of: "heal"))
    #expect(lines.map { $0[column] } == ["heal", "", "none", "distill", "sft"] && Set(lines.map(\.count)).count == 1)
    let page = ComparisonPage.html(Self.table)
    #expect(page.contains("Healing") && page.contains("75 %") && page.contains("other.txt"))
    // Without healing nothing of it is said.
    #expect(!ComparisonPage.html(Samples.usual).contains("Healing") && HealingColumns(Samples.usual).titles.isEmpty)
  }

  @Test("continuations are compared token by token, and repetition is counted in triples")
  func generation() {
    let same = GenerationCheck([[1, 2, 3, 4, 5]], base: [[1, 2, 3, 4, 5]])
    #expect(same == GenerationCheck([[1, 2, 3, 4, 5]], base: [[1, 2, 3, 4, 5]]) && same.agreement == 1 && same.prefix == 1)
    #expect(same.distinct == 1)
    let loop = GenerationCheck([[7, 8, 7, 8, 7, 8, 7, 8]], base: [[7, 9, 7, 8, 1, 1, 1, 1]])
    // 7 8 7 and 8 7 8 among six triples.
    #expect(loop.agreement == 3.0 / 8 && loop.prefix == 1.0 / 8 && abs(loop.distinct - 2.0 / 6) < 1e-12)
  }

  @Test("prompts are beginnings of windows spread over the text")
  func prompts() {
    var plan = GenerationCheck.Plan()
    (plan.texts, plan.promptTokens) = (2, 3)
    let windows: [[Int32]] = [[1, 2, 3, 4], [5, 6], [7, 8, 9], [10, 11, 12, 13]]
    #expect(plan.prompts(from: windows) == [[1, 2, 3], [7, 8, 9]])
    #expect(plan.prompts(from: [[1]]).isEmpty)
  }
}
