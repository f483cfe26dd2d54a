import BackendCPU
import Evaluation
import Formats
import JSON
import TestSupport
import Testing
import Tokenization
import Transformer

/// Every row of the reference perplexities (reference/README.md): text to ids to loss.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct PerplexityReferenceTests {
  @Test("window perplexity agrees with PyTorch from the text on", arguments: ["stories260K", "talespin-tiny", "talespin-15m"])
  func rows(name: String) throws {
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    let model = try Llama(source, on: CPUBackend())
    let rows = try #require(try SharedData.json("reference/\(name)/perplexity.json")["rows"]?.array)
    #expect(rows.count == 18)
    var ids: [String: [Int32]] = [:]
    for row in rows {
      let text = try #require(row["text"]?.string)
      if ids[text] == nil { ids[text] = try self.ids(text, characters: try #require(row["first_chars"]?.int), tokenizer, row) }
      let bos = row["bos"]?.bool == true ? source.config.bosToken.map(Int32.init) : nil
      let result = try Perplexity(model, text: ids[text]!, .init(.windows, window: try #require(row["window"]?.int), bos: bos))
      #expect(result.windows == row["windows"]?.int && result.scoredTokens == row["scored_tokens"]?.int, "\(row)")
      for (own, key) in [(result.loss, "nll_sum"), (result.meanLoss, "mean_nll"), (result.perplexity, "ppl")] {
        let expected = try #require(row[key]?.double)
        #expect(abs(own - expected) <= 1e-4 * expected, "\(text), window \(row["window"]!), \(key): \(own) for \(expected)")
      }
    }
  }

  private func ids(_ text: String, characters: Int, _ tokenizer: Tokenizer, _ row: JSON) throws -> [Int32] {
    // A text may be there in part only: tinyshakespeare_first90.txt.
    let name = try #require(TestFiles.names(in: SharedData.path("data/text")).first { $0.hasPrefix(text) && $0.hasSuffix(".txt") })
    let whole = String(decoding: try SharedData.bytes("data/text/\(name)"), as: UTF8.self)
    let part = String(String.UnicodeScalarView(whole.unicodeScalars.prefix(characters)))
    #expect(part.utf8.count == row["utf8_bytes"]?.int)
    let ids = tokenizer.encode(part, template: false)
    #expect(ids.count == row["tokens"]?.int)
    #expect(ids.prefix(16).map(Int.init) == row["first_ids"]?.array?.compactMap(\.int))
    return ids
  }
}
