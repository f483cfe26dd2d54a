import BackendCPU
import Evaluation
import Formats
import JSON
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

struct SliceMeasure {
  @Test func measure() throws {
    for name in ["talespin-15m", "talespin-tiny"] {
      let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
      let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
      func ids(_ text: String, _ count: Int) throws -> [Int32] {
        let whole = String(decoding: try SharedData.bytes("data/text/\(text)"), as: UTF8.self)
        return tokenizer.encode(String(String.UnicodeScalarView(whole.unicodeScalars.prefix(count))), template: false)
      }
      let lines = String(decoding: try SharedData.bytes("data/text/tinystories.jsonl"), as: UTF8.self).split(separator: "\n").prefix(160)
      var stories: [[Int32]] = []
      for line in lines {
        stories.append(Array(tokenizer.encode(try JSON(parsing: Array(line.utf8))["text"]!.string!, template: true).prefix(256)))
      }
      let wiki = try ids("wikitext2_valid.txt", 100_000)
      let wikiPrompts = stride(from: 40_000, to: min(wiki.count, 200_000) - 256, by: 256).map { Array(wiki[$0..<$0 + 256]) }
      let evaluations = [
        ("stories", try ids("tinystories_valid_a.txt", 60_000)), ("wiki", try ids("wikitext2_valid.txt", 40_000)),
        ("shakespeare", try ids("tinyshakespeare_first90.txt", 40_000)),
      ]
      let backend = CPUBackend()
      for (calibration, prompts) in [("stories", stories), ("reference", try Sliced.prompts(name)), ("wiki", wikiPrompts)]
      where !prompts.isEmpty {
        for ratio in [0, 0.1, 0.2, 0.3] {
          let width = try SliceGPT.width(of: source.config, ratio: ratio, multiple: 8)
          let clock = ContinuousClock()
          let start = clock.now
          let sliced = try Sliced(source, width: width, prompts: prompts, on: backend)
          let seconds = clock.now - start
          var line =
            "MEASURE \(name) \(calibration) \(sliced.slice.tokens) \(ratio) k \(width) params \(sliced.slice.config.parameterCount) of \(source.config.parameterCount) \(seconds)"
          for (text, ids) in evaluations {
            line +=
              " \(text) \(try Perplexity(sliced.model, text: ids, .init(.windows, window: 256, bos: source.config.bosToken.map(Int32.init))).perplexity)"
          }
          print(line, "captured", sliced.slice.places.map(\.captured).min()!)
        }
      }
    }
  }
}
