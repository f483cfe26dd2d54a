import Glibc
import Testing

@testable import Surgery

struct ComparisonPageTests {
  /// As many methods and amounts as anybody compares.
  static let large: ComparisonTable = {
    var noise = AblationReportPageTests.Noise()
    var rows = [ComparisonSamples.row("base", layers: 22, loss: 2, divergence: 0, bytes: 60 << 20, decode: [1, 1.02, 0.99])]
    for strategy in ["tail", "middle", "first", "random", "shortgpt", "greedy", "angular", "magnitude", "finercut", "segment"] {
      let harm = 0.2 + 3 * noise.unit()
      for amount in [1, 3, 5, 7] {
        let divergence = harm * Double(amount) * (0.1 + 0.05 * noise.unit())
        rows.append(
          ComparisonSamples.row(
            "\(strategy) −\(amount)", strategy: strategy, amount: amount, layers: 22 - amount, loss: 2 + divergence, divergence: divergence,
            bytes: (60 << 20) - amount * (2 << 20), decode: (0..<3).map { _ in 1 - 0.04 * Double(amount) + 0.01 * noise.unit() }))
      }
    }
    return ComparisonSamples.table(rows)
  }()

  static let samples: [(name: String, table: ComparisonTable)] = [
    ("compare", ComparisonSamples.usual), ("compare-large", large),
    ("compare-alone", ComparisonSamples.table([ComparisonSamples.row("base", loss: 2, divergence: 0, decode: [1])])),
    (
      "compare-hostile",
      ComparisonSamples.table(
        [
          ComparisonSamples.row("base", loss: 2, divergence: 0, decode: [1, 1]),
          ComparisonSamples.row("<script>alert(1)</script>", loss: .nan, divergence: .nan, decode: [1e-9, 1e9]),
          ComparisonSamples.row("\" onload='x'", loss: 600, divergence: 1e300, bytes: 1, decode: [1, .leastNormalMagnitude]),
          ComparisonSamples.row("x", loss: .infinity, divergence: .infinity, decode: [1, 1]),
        ], data: "<img src=x>")
    ),
  ]

  @Test("pages are well-formed, without a value that is no number, and need nothing from elsewhere", arguments: samples.indices)
  func selfContained(index: Int) throws {
    let (name, table) = Self.samples[index]
    let page = ComparisonPage.html(table)
    #expect(AblationReportPageTests.unbalanced(page) == nil)
    for outside in ["http:", "https:", "//", "<script", "<link", "<img", "@import", "src=\"", "NaN", "nan\"", "inf\"", ">nan", ">inf"] {
      #expect(!page.contains(outside), "\(outside) in \(name)")
    }
    // For looking at them: HOOF_SAMPLE_REPORTS=folder swift test --filter ComparisonPage
    if let folder = getenv("HOOF_SAMPLE_REPORTS").map({ String(cString: $0) }) {
      let file = try #require(fopen("\(folder)/\(name).html", "w"))
      fputs(page, file)
      fclose(file)
    }
  }

  @Test("every model has its row, its point in each drawing, and its method in the legend")
  func complete() {
    let page = ComparisonPage.html(ComparisonSamples.usual)
    func count(_ text: String) -> Int { page.split(separator: text, omittingEmptySubsequences: false).count - 1 }
    #expect(count("<th scope=\"row\">") == 6)
    // Four drawings of six models: the base (in those of perplexity), one file, two cuts by tail (circles of colour 0) and by greedy (squares of colour 1).
    #expect(count("<circle class=\"base\"") == 2 + 1 && count("<circle class=\"file\"") == 4 + 1)
    #expect(count("<circle class=\"s0\"") == 8 + 1 && count("<rect class=\"s1\"") == 8 + 1)
    #expect(count("class=\"ring\"") == 6 && count("class=\"front\"") == 2, "three on each front")
    #expect(page.contains("<title>Cuts of base</title>") && page.contains("windows of 256 behind a begin token"))
  }

  @Test("labels stay inside the drawing and do not cover each other")
  func labels() throws {
    let plots = ComparisonPlots(Self.large).scatters
    #expect(plots.count == 4)
    for plot in plots {
      let boxes = try Self.labels(plot.svg(), size: plot.labelSize)
      #expect(boxes.count > 4, "\(boxes.count) labels in \(plot.title)")
      for (index, box) in boxes.enumerated() {
        #expect(box.left >= 0 && box.right <= plot.width && box.bottom <= plot.height)
        for other in boxes[..<index] {
          let overlap = min(box.right, other.right) - max(box.left, other.left)
          #expect(overlap < 0.5 || abs(box.bottom - other.bottom) > 0.8 * plot.labelSize, "\(box) over \(other) in \(plot.title)")
        }
      }
    }
  }

  private struct Box { let left: Double, right: Double, bottom: Double }

  /// Where the tags of a drawing stand, with letters as wide as most fonts have them.
  private static func labels(_ svg: String, size: Double) throws -> [Box] {
    try svg.split(separator: "<text class=\"tag\"").dropFirst().map { piece in
      func attribute(_ name: String) -> String? {
        piece.split(separator: "\(name)=\"", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first.map {
          String($0.prefix { $0 != "\"" })
        }
      }
      let text = piece.drop { $0 != ">" }.dropFirst().prefix { $0 != "<" }
      let (x, y) = (try #require(attribute(" x").flatMap(Double.init)), try #require(attribute(" y").flatMap(Double.init)))
      let width = 0.56 * size * Double(text.count)
      let left = attribute("text-anchor") == "end" ? x - width : attribute("text-anchor") == "middle" ? x - width / 2 : x
      return Box(left: left, right: left + width, bottom: y)
    }
  }
}
