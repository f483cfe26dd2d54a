import Glibc
import JSON
import Pages
import Testing

@testable import Surgery

struct AblationReportPageTests {
  /// Reproducible numbers for samples; not for statistics.
  struct Noise {
    var state: UInt64 = 1
    mutating func unit() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) / Double(1 << 53)
    }
  }

  /// A report of the given shape; `heads[l]` heads in layer l.
  static func sample(heads: [Int], neurons: Int, path: String = "models/sample", proxies: Bool = true) -> JSON {
    var noise = Noise()
    let depth = Double(heads.count)
    var layers: [JSON] = []
    var sublayers: [JSON] = []
    var cells: [JSON] = []
    var distributions: [JSON] = []
    for (layer, count) in heads.enumerated() {
      let place = Double(layer) / depth
      let kl = (layer == 0 ? 4 : 0.05 + 0.3 * place * place) * (0.6 + 0.8 * noise.unit())
      var entry: JSON.Object = [
        "layer": .int(layer), "kl": .double(kl), "kl_stderr": .double(kl * 0.08), "perplexity": .double(9 * exp(kl)),
        "top1_agreement": .double(exp(-kl)), "seconds": 0.5,
      ]
      if proxies {
        entry["block_influence"] = .double(kl * 0.1 + 0.02 * noise.unit())
        entry["angular_distance"] = .double(0.1 + 0.05 * kl)
        entry["weight_magnitude"] = .double(30 + 5 * noise.unit())
        entry["attention_norm"] = .double(2 + place * 10)
      }
      layers.append(.object(entry))
      for part in ["attention", "mlp"] {
        sublayers.append(["layer": .int(layer), "part": .string(part), "kl": .double(kl * (0.3 + 0.5 * noise.unit()))])
      }
      for head in 0..<count {
        cells.append(["layer": .int(layer), "head": .int(head), "kl": .double(kl * pow(10, -3 * noise.unit() - 0.3))])
      }
      distributions.append([
        "layer": .int(layer),
        "mean_abs": .array((0..<neurons).map { _ in .double(pow(10, -3.5 + place + noise.unit() + noise.unit() + noise.unit())) }),
        "firing_rate": .array((0..<neurons).map { _ in .double((noise.unit() + noise.unit()) / 2) }),
      ])
    }
    var report: JSON.Object = [
      "format": "hoof-ablation", "version": 1,
      "model": ["path": .string(path), "layers": .int(heads.count), "heads": .int(heads.first ?? 0), "hidden_size": 4096],
      "calibration": ["path": "prompts.txt", "prompts": 32, "tokens": 1654, "max_tokens": 64], "backend": "cpu", "seconds": 125.0,
      "baseline": ["cross_entropy": 2.2, "perplexity": 9.02], "layers": .array(layers), "sublayers": .array(sublayers),
      "heads": .array(cells), "neurons": .array(distributions), "suggested_drop": heads.count > 4 ? [3, 4] : [1],
    ]
    if proxies {
      report["proxy_correlation"] = [
        "block_influence": ["spearman": 0.93, "kendall": 0.83], "weight_magnitude": ["spearman": -0.1, "kendall": nil],
      ]
    }
    return .object(report)
  }

  static func without(_ names: String..., from report: JSON) -> JSON {
    var object = report.object!
    for name in names { object[name] = nil }
    return .object(object)
  }

  static let samples: [(name: String, report: JSON)] = [
    ("tiny", sample(heads: [8, 8, 8, 6, 8], neurons: 172)),
    ("large", sample(heads: [Int](repeating: 32, count: 32), neurons: 2000)),
    (
      "layers-only",
      without(
        "sublayers", "heads", "neurons", "proxy_correlation", "suggested_drop", from: sample(heads: [4, 4, 4], neurons: 1, proxies: false))
    ),
    ("empty", [:]),
  ]

  @Test("pages are well-formed and need nothing from elsewhere", arguments: samples.indices)
  func selfContained(index: Int) throws {
    let (name, report) = Self.samples[index]
    let page = AblationReportPage.html(report)
    #expect(Self.unbalanced(page) == nil)
    for outside in ["http:", "https:", "//", "<script", "<link", "<img", "@import", "src=", "NaN", "inf\""] {
      #expect(!page.contains(outside), "\(outside) in \(name)")
    }
    // For looking at them: HOOF_SAMPLE_REPORTS=folder swift test --filter AblationReportPage
    if let folder = getenv("HOOF_SAMPLE_REPORTS").map({ String(cString: $0) }) {
      let file = try #require(fopen("\(folder)/\(name).html", "w"))
      fputs(page, file)
      fclose(file)
    }
  }

  @Test("every section with data is drawn, and none without")
  func sections() {
    let full = AblationReportPage.html(Self.samples[0].report)
    let bare = AblationReportPage.html(Self.samples[2].report)
    for id in ["layers", "sublayers", "heads", "proxies", "neurons", "numbers"] { #expect(full.contains("<h2 id=\"\(id)\">"), "\(id)") }
    for id in ["sublayers", "heads", "proxies", "neurons", "kv-groups"] { #expect(!bare.contains("<h2 id=\"\(id)\">"), "\(id)") }
    #expect(bare.contains("<h2 id=\"layers\">") && !AblationReportPage.html([:]).contains("<section"))
  }

  @Test("a bar, a cell, a point and a table row stand for every number")
  func counts() {
    let page = AblationReportPage.html(Self.samples[0].report)
    func count(_ text: String) -> Int { page.split(separator: text, omittingEmptySubsequences: false).count - 1 }
    #expect(count("class=\"kl") == 5 + 1, "five bars and the legend's swatch")
    #expect(count("class=\"cell t") == 38)
    #expect(count("class=\"point\"") == 20)
    #expect(count("class=\"ridge\"") == 10)
    #expect(count("<tr class=\"marked\">") == 2)
  }

  @Test("the summary names the layers that matter most and least, and the suggestion")
  func summary() {
    let report: JSON = [
      "layers": [["layer": 0, "kl": 2.5, "perplexity": 100], ["layer": 1, "kl": 0.01, "perplexity": 9.1], ["layer": 2, "kl": 0.3]],
      "baseline": ["perplexity": 9], "suggested_drop": [1],
    ]
    let page = AblationReportPage.html(report)
    #expect(page.contains("Layer 0 matters most: without it the predictions move by KL 2.50 nats, perplexity 9.00 → 100."))
    #expect(page.contains("Layer 1 matters least: KL 0.0100 nats, perplexity 9.00 → 9.10."))
    #expect(page.contains("Suggested to drop: layer 1 (1 of 3)"))
  }

  @Test("the page says what must stay and what can go, with the evidence, and outlines the bars of critical layers")
  func critical() {
    var report = Self.sample(heads: [2, 2, 2, 2, 2], neurons: 3).object!
    let reasons: [JSON] = (0..<10).map { ["layer": .int($0 % 3), "part": $0 < 3 ? nil : "mlp", "reason": "without it <everything> ends"] }
    report["critical"] = [
      "perplexity_factor_limit": 2, "kl_limit": 1, "layers": .array(Array(reasons[..<3])), "sublayers": .array(Array(reasons[3...])),
    ]
    report["safe"] = ["layers": [3, 4], "perplexity_increase": 0.07, "evidence": "measured without layers 3 and 4 together"]
    let page = AblationReportPage.html(.object(report))
    #expect(Self.unbalanced(page) == nil && page.contains("<h2 id=\"critical\">"))
    #expect(page.contains("Never remove layers 0, 1 and 2, outlined in the figure: the model falls apart without any of them."))
    #expect(page.contains("Safe to remove together: layers 3 and 4; perplexity +7.0 %, measured."))
    #expect(page.contains("<li>Layer 2: without it &lt;everything&gt; ends.</li>") && page.contains("<summary>2 more</summary>"))
    #expect(page.contains("These can go together: measured without layers 3 and 4 together."))
    #expect(
      page.split(separator: "class=\"kl stays\"", omittingEmptySubsequences: false).count - 1 == 3 + 1, "three bars, one in the legend")
    #expect(!AblationReportPage.html(Self.samples[0].report).contains("<h2 id=\"critical\">"), "a report of an older hoof has no such part")
  }

  @Test("hostile strings and numbers stay text")
  func hostile() {
    let path = "x/</title><script>alert(1)</script>\" onload='x' \u{202E}&amp;\u{0}"
    var report = Self.sample(heads: [2, 2], neurons: 3, path: path).object!
    report["backend"] = "<img src=x>"
    report["layers"] = [
      ["layer": 0, "kl": .double(.infinity), "kl_stderr": -1, "block_influence": .double(.nan)],
      ["layer": 1, "kl": 0, "perplexity": 1e300],
      ["layer": -1, "kl": 1], ["layer": 9_000_000_000, "kl": 1], ["layer": "a"], nil, [],
    ]
    report["heads"] = [
      ["layer": 0, "head": 1_000_000_000, "kl": 1], ["layer": 0, "head": 0, "kl": -1e-9], ["layer": 1, "head": 1, "kl": 0],
    ]
    report["proxy_correlation"] = ["<b>": ["spearman": 1e300], "block_influence": nil]
    report["neurons"] = [["layer": 0, "mean_abs": [0, -1, 1e300, nil], "firing_rate": []], ["layer": 1]]
    let page = AblationReportPage.html(.object(report))
    #expect(Self.unbalanced(page) == nil)
    #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>") && !page.contains("\u{202E}"))
    for kind: JSON in [nil, 1, "x", [], ["layers": 3, "heads": [:], "model": []]] {
      #expect(Self.unbalanced(AblationReportPage.html(kind)) == nil)
    }
  }

  @Test(
    "the largest and smallest numbers there are break nothing",
    arguments: [
      [1.7e308, .leastNonzeroMagnitude], [1e150, 1e-150], [-1.7e308, 1.7e308], [.leastNonzeroMagnitude, .leastNormalMagnitude], [0, 0],
      [-1, -2],
    ])
  func extremes(values: [Double]) {
    let numbers = JSON.array(values.map { .double($0) })
    func entries(_ more: (Int, Double) -> JSON.Object) -> JSON { .array(values.enumerated().map { .object(more($0, $1)) }) }
    let report: JSON = [
      "layers": entries {
        ["layer": .int($0), "kl": .double($1), "kl_stderr": .double($1), "perplexity": .double($1), "block_influence": .double($1)]
      },
      "sublayers": entries { ["layer": .int($0), "part": "mlp", "kl": .double($1)] },
      "heads": entries { ["layer": .int($0), "head": .int($0), "kl": .double($1)] },
      "neurons": entries { index, _ in ["layer": .int(index), "mean_abs": numbers, "firing_rate": numbers] },
      "proxy_correlation": ["block_influence": ["spearman": .double(values[0]), "kendall": .double(values[1])]],
      "seconds": .double(values[0]), "baseline": ["perplexity": .double(values[1])],
    ]
    #expect(Self.unbalanced(AblationReportPage.html(report)) == nil)
  }

  @Test("numbers keep the digits that matter")
  func numbers() {
    #expect(
      [2.456, 0.0264692, 2137.1, 0.00001234, 0, -0.5].map { NumberText.significant($0) } == [
        "2.46", "0.0265", "2137", "1.23×10⁻⁵", "0", "−0.500",
      ])
    #expect([0.001, 1e-5, 2000, 0.25, 30].map(NumberText.tick) == ["0.001", "10⁻⁵", "2000", "0.25", "30"])
    #expect([0.00012, 0.0045, 0.12, 2.4].map(HeatMap.thousandths) == ["0.12", "4.5", "120", "2400"])
  }

  @Test("an axis turns logarithmic beyond two decades and covers its values")
  func axes() {
    #expect(Axis([0.1, 5]).isLog == false && Axis([0.01, 5]).isLog == true)
    let log = Axis([0.02, 7])
    #expect(log.lower == 0.01 && abs(log.upper - 10) < 1e-9 && log.position(0) == 0 && log.position(10) == 1)
    for values in [[], [0], [3, 3], [-1, 2], [1e-30, 1], [Double.nan]] {
      let axis = Axis(values)
      #expect(axis.lower < axis.upper && axis.ticks.count >= 2 && axis.ticks.count < 12, "\(values)")
      for value in values where value.isFinite { #expect((0...1).contains(axis.position(value))) }
    }
  }

  /// The first tag that is closed out of order, or nil.
  static func unbalanced(_ page: String) -> String? {
    var open: [Substring] = []
    for piece in page.split(separator: "<").dropFirst() {
      let tag = piece.prefix { $0 != ">" }
      let name = tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber }
      if tag.hasPrefix("!") || tag.hasSuffix("/") || ["meta"].contains(String(name)) { continue }
      if tag.hasPrefix("/") {
        guard open.popLast() == name else { return String(tag) }
      } else {
        open.append(name)
      }
    }
    return open.last.map(String.init)
  }
}
