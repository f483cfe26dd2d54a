import Glibc
import JSON
import Testing

@testable import Surgery

/// Made-up comparisons with exact figures.
enum ComparisonSamples {
  static func outcome(loss: Double, divergence: Double, agreements: Int = 90) -> Outcome {
    let prompt = PromptOutcome(
      positions: 101, divergence: 101 * divergence, lastDivergence: divergence, greatestDivergence: 2 * divergence, loss: 100 * loss,
      agreements: agreements)
    var other = prompt
    other.divergence *= 1.1
    return Outcome([prompt, other])
  }

  /// `decode`: seconds of the rounds, of 10 tokens each.
  static func row(
    _ name: String, strategy: String? = nil, amount: Int? = nil, layers: Int = 8, loss: Double, divergence: Double = 0.1, bytes: Int = 4000,
    decode: [Double]
  ) -> ComparisonTable.Row {
    .init(
      name: name, strategy: strategy, amount: amount.map(String.init), path: strategy == nil ? "models/\(name)" : nil,
      removedLayers: amount.map { Array(0..<$0) } ?? [], layers: layers, parameters: bytes / 4, bytes: bytes,
      outcome: outcome(loss: loss, divergence: divergence), prefill: Throughput(tokens: 100, seconds: decode),
      decode: Throughput(tokens: 10, seconds: decode))
  }

  static func table(_ rows: [ComparisonTable.Row], data: String = "heldout.txt") -> ComparisonTable {
    ComparisonTable(
      rows,
      under: .init(
        dataPath: data, dataSHA256: "ab", window: 256, windows: 2, hasBOS: true, scoredTokens: 200, backend: "cpu", warmUp: 1,
        runs: rows[0].decode.seconds.count, prefixTokens: 100, seed: 0), seconds: 12)
  }

  /// The base, two amounts of two methods, and a file.
  static let usual = table([
    row("base", loss: log(9), divergence: 0, decode: [1, 2, 1]),
    row("cut.hoof", layers: 7, loss: log(9.9), divergence: 0.08, bytes: 3500, decode: [0.9, 1.8, 0.9]),
    row("tail −1", strategy: "tail", amount: 1, layers: 7, loss: log(10), divergence: 0.1, bytes: 3500, decode: [0.8, 1.6, 0.8]),
    row("tail −3", strategy: "tail", amount: 3, layers: 5, loss: log(90), divergence: 2, bytes: 2500, decode: [0.5, 1, 0.5]),
    row("greedy −1", strategy: "greedy", amount: 1, layers: 7, loss: log(9.5), divergence: 0.05, bytes: 3500, decode: [0.8, 1.6, 0.8]),
    row("greedy −3", strategy: "greedy", amount: 3, layers: 5, loss: log(12), divergence: 0.3, bytes: 2500, decode: [0.5, 1, 0.5]),
  ])
}

struct ComparisonTableTests {
  typealias Samples = ComparisonSamples

  @Test("tokens per second are the mean of the rounds' rates with their sample standard deviation")
  func rates() {
    let speed = Throughput(tokens: 10, seconds: [1, 2, 4])
    // Rates 10, 5 and 2.5: mean 17.5/3, sample variance 14.583333.
    #expect(abs(speed.mean - 17.5 / 3) < 1e-12 && abs(speed.deviation - (175.0 / 12).squareRoot()) < 1e-12)
    #expect(Throughput(tokens: 3, seconds: [2]).deviation == 0)
  }

  @Test("a speed-up is the median of the rounds' own ratios: a round in which everything was slow does not count against anybody")
  func pairedRatios() {
    let base = Throughput(tokens: 10, seconds: [1, 10, 1, 1])
    let cut = Throughput(tokens: 10, seconds: [0.5, 5, 0.5, 0.4])
    let gain = cut.speedUp(over: base)
    #expect(gain.median == 2 && gain.lower == 2 && abs(gain.upper - 2.125) < 1e-12)
    #expect(base.speedUp(over: base) == Quartiles([1]))
  }

  @Test("quartiles interpolate as NumPy's do")
  func quartiles() {
    let quartiles = Quartiles([4, 1, 3, 2])
    #expect([quartiles.lower, quartiles.median, quartiles.upper] == [1.75, 2.5, 3.25])
  }

  @Test("the front holds what nothing beats at both, and only that")
  func front() {
    let table = Samples.usual
    func names(_ tradeoff: Tradeoff) -> [String] { table.fronts[tradeoff]!.sorted().map { table.rows[$0].name } }
    #expect(names(.speed) == ["base", "greedy −1", "greedy −3"])
    #expect(names(.size) == ["base", "greedy −1", "greedy −3"])
    #expect(table.merits(of: 0) == [.speed, .size] && table.merits(of: 2).isEmpty)
  }

  @Test("the noise of the clock puts no model on the front: a better one that is as fast in half of the rounds beats it")
  func noise() {
    let rows = [
      Samples.row("base", loss: 2, decode: [1, 1, 1, 1]),
      Samples.row("worse", loss: 2.5, bytes: 4000, decode: [0.98, 1.01, 0.97, 1.02]),
      Samples.row("worse and faster", loss: 2.5, bytes: 4001, decode: [0.98, 0.99, 0.97, 0.98]),
    ]
    #expect(Samples.table(rows).fronts == [.speed: [0, 2], .size: [0]])
  }

  @Test("equal models share the front; one that overflows is on none")
  func ties() {
    let twins = [
      Samples.row("base", loss: 2, decode: [1]), Samples.row("same", loss: 2, decode: [1]),
      Samples.row("broken", loss: .nan, bytes: 1, decode: [0.1]),
    ]
    #expect(Samples.table(twins).fronts == [.speed: [0, 1], .size: [0, 1]])
  }

  @Test("the findings name the front, the best and the worst method of each amount, and models without numbers")
  func findings() {
    #expect(
      Samples.usual.findings == [
        "No other model has both lower perplexity and faster decoding than base, greedy −1 and greedy −3.",
        "No other model has both lower perplexity and fewer bytes than base, greedy −1 and greedy −3.",
        "With one layer removed, greedy changes the predictions least: KL 0.0525 nats, perplexity +5.56 %; "
          + "tail most: KL 0.105 nats, perplexity +11.1 %.",
        "With 3 layers removed, greedy changes the predictions least: KL 0.315 nats, perplexity +33.3 %; "
          + "tail most: KL 2.10 nats, perplexity +900.0 %.",
      ])
    let broken = Samples.table([Samples.row("base", loss: 2, decode: [1]), Samples.row("cut", loss: .nan, decode: [1])])
    #expect(broken.findings.last == "The predictions of cut are not numbers: the model overflows.")
  }

  @Test(
    "changes read as percentages, great ones as factors",
    arguments: [
      (0.0312, "+3.12 %"), (-0.0005, "−0.05 %"), (0, "0.00 %"), (-1e-7, "0.00 %"), (0.25, "+25.0 %"), (11.5, "× 12.5"), (.nan, "–"),
    ])
  func changes(share: Double, text: String) { #expect(ComparisonTable.change(share) == text) }

  @Test("the JSON has every figure, the base first, and null where there is no number")
  func json() throws {
    let table = Samples.table([
      Samples.row("base", loss: log(9), decode: [1, 2]), Samples.row("cut", loss: .nan, bytes: 3000, decode: [0.5, 1]),
    ])
    let json = try JSON(parsing: table.json.text(pretty: true))
    #expect(json["format"] == "hoof-comparison" && json["version"] == 1 && json["data"]?["protocol"] == "windows")
    #expect(json["data"]?["window"] == 256 && json["timing"]?["n_gen"] == 10 && json["timing"]?["runs"] == 2)
    let rows = try #require(json["rows"]?.array)
    #expect(rows[0]["perplexity_change_pct"]?.double == 0 && rows[1]["perplexity"]?.isNull == true)
    #expect(rows[1]["removed_params_pct"]?.double == 25 && rows[1]["decode"]?["samples_ts"]?.array?.compactMap(\.double) == [20, 10])
    #expect(rows[1]["decode"]?["speed_up"]?["median"]?.double == 2)
  }

  @Test("the CSV has a line for each row, as many cells in each, and quotes what would break it")
  func csv() {
    var rows = [Samples.row("base", loss: 2, decode: [1]), Samples.row("a, \"b\"", loss: .nan, decode: [1])]
    rows[1].removedLayers = [2, 5]
    let lines = Samples.table(rows).csv.split(separator: "\n")
    #expect(lines.count == 3 && lines[0].hasPrefix("name,strategy,amount,path,removed_layers,layers,"))
    #expect(lines[2].hasPrefix("\"a, \"\"b\"\"\",,,\"models/a, \"\"b\"\"\",2 5,8,") && !lines[2].contains("nan"))
    let cells = lines[1].split(separator: ",", omittingEmptySubsequences: false)
    #expect(cells.count == lines[0].split(separator: ",").count && cells.last == "speed size")
  }
}
