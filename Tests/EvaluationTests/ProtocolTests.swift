import BackendCPU
import Formats
import TestSupport
import Testing
import Tokenization
import Transformer

@testable import Evaluation

/// Where the windows of each protocol lie.
struct ProtocolWindowTests {
  private func windows(_ method: PerplexityProtocol, _ count: Int, _ window: Int, bos: Int32?) -> [[Int32]] {
    let stream = method.stream((1...Int32(count)).map { $0 }, bos: method == .word ? nil : bos)
    return method.windows(of: stream.indices, window: window, lead: bos).map { [Int32($0.firstScored)] + $0.ids(in: stream) }
  }

  @Test("windows: BOS in front of each, the last one shorter; without BOS a last token alone predicts nothing")
  func plain() {
    #expect(windows(.windows, 7, 3, bos: 0) == [[1, 0, 1, 2, 3], [1, 0, 4, 5, 6], [1, 0, 7]])
    #expect(windows(.windows, 7, 3, bos: nil) == [[1, 1, 2, 3], [1, 4, 5, 6]])
  }

  @Test("gptq: one BOS in the first window, whole windows only")
  func gptq() {
    #expect(windows(.gptq, 7, 4, bos: 0) == [[1, 0, 1, 2, 3], [1, 4, 5, 6, 7]])
    #expect(windows(.gptq, 7, 4, bos: nil) == [[1, 1, 2, 3, 4]])
  }

  @Test("llama.cpp: BOS over each window's first token, the second half scored")
  func llamaCpp() {
    // first = n_ctx/2 = 2: logits of places 2 to n_ctx-2 predict tokens 3 to n_ctx-1.
    #expect(windows(.llamaCpp, 11, 5, bos: 0) == [[3, 0, 1, 2, 3, 4], [3, 0, 6, 7, 8, 9]])
    #expect(windows(.llamaCpp, 8, 4, bos: nil) == [[3, 1, 2, 3, 4], [3, 5, 6, 7, 8]])
  }

  /// The examples of lm_eval.utils.get_rolling_token_windows, context_len 1, made disjoint: context, then what it predicts.
  @Test("word: every token once; one token of context between windows, and the last one reaches back")
  func rolling() {
    #expect(windows(.word, 9, 4, bos: 0) == [[1, 0, 1, 2, 3, 4], [1, 4, 5, 6, 7, 8], [4, 5, 6, 7, 8, 9]])
    #expect(windows(.word, 4, 4, bos: 0) == [[1, 0, 1, 2, 3, 4]])
    #expect(windows(.word, 2, 4, bos: 0) == [[1, 0, 1, 2]])
    for count in 1...30 {
      let cut = PerplexityProtocol.word.windows(of: 0..<count, window: 7, lead: 0)
      #expect(cut.reduce(0) { $0 + $1.scored } == count && cut.allSatisfy { $0.rows <= 7 })
    }
  }

  @Test("words are counted as Python splits at white space")
  func words() {
    // Python: [len(re.split(r"\s+", t)) for t in ("", "a", " a", "a b\n", "a\u00a0b\u2003c", "a\u200bb", "a\x1cb")]
    #expect(
      ["", "a", " a", "a b\n", "a\u{a0}b\u{2003}c", "a\u{200b}b", "a\u{1c}b"].map(EvaluationText.wordCount) == [1, 1, 2, 3, 3, 1, 2])
  }

  @Test("the standard error of a ratio: equal clusters give sd/√n, one cluster gives none")
  func ratio() throws {
    let estimate = RatioEstimate(sums: [2, 4, 6, 8], counts: [2, 2, 2, 2])
    // Means 1, 2, 3, 4: sd² = 5/3.
    let error = try #require(estimate.standardError)
    #expect(estimate.ratio == 2.5 && abs(error - (5.0 / 3 / 4).squareRoot()) < 1e-12)
    #expect(RatioEstimate(sums: [2], counts: [2]).standardError == nil)
  }

  @Test("WikiText's spaces go as lm-evaluation-harness takes them back")
  func detokenizer() {
    // Both results from lm_eval 0.4.13's wikitext_detokenizer.
    let text =
      "a ( b ) [ c] { d } \" e \" ' f ' s ' g /' 5/ 1 @,@ 000 @.@ 5 @-@ x : y ; z . q ! r ? t , u = = = = v = = = w = = 5 \u{b0} C \n next N one 's ( open"
    let expected =
      "a (b) [c] {d} \"e\" 'f' s'g /'[0-9]/ 1,000.5-x: y; z. q! r? t, u ==== v === w == 5\u{b0}C\nnext 1 one's ( open"
    #expect(WikiTextDetokenizer.detokenized(text) == expected)
  }

  @Test(
    "a whole text of WikiText is detokenised to the harness' bytes", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func wholeText() throws {
    let text = try EvaluationText(path: SharedData.path("data/text/wikitext2_valid.txt")).whole
    let out = WikiTextDetokenizer.detokenized(text)
    #expect(SHA256.hex(of: Array(out.utf8)) == "690623f8b014db8936214a63f29caee6503f4b9a21f0e883957c278868a9be34")
    #expect(EvaluationText.wordCount(text) == 213_888)
  }
}

/// Numbers of other programs' protocols on the reference models.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ProtocolReferenceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let model: String, text: String, characters: Int
    let method: PerplexityProtocol, window: Int, windows: Int, scored: Int
    let perplexity: Double, error: Double
    var testDescription: String { "\(model) \(text) \(method.rawValue) \(window)" }
  }

  /// PyTorch 2.13, transformers 5.23 (tokenizer with its BOS, LlamaForCausalLM in float32), one window at a time straight from the
  /// definitions: gptq is the mean over windows of the mean cross-entropy of window-1 tokens, ± its sample standard deviation / √windows;
  /// llama.cpp puts BOS over the first id of each window and scores what logits window/2 to window-2 predict, ± as perplexity.cpp.
  static let cases = [
    Case(
      model: "talespin-15m", text: "wikitext2_valid", characters: 40000, method: .gptq, window: 512, windows: 33, scored: 16863,
      perplexity: 3160.3364735802515, error: 156.8772216307541),
    Case(
      model: "talespin-15m", text: "wikitext2_valid", characters: 40000, method: .llamaCpp, window: 512, windows: 33, scored: 8415,
      perplexity: 3229.893322723971, error: 100.04751532309285),
    Case(
      model: "talespin-15m", text: "wikitext2_valid", characters: 40000, method: .llamaCpp, window: 256, windows: 67, scored: 8509,
      perplexity: 3031.5334801259723, error: 91.89510794881483),
    Case(
      model: "stories260K", text: "tinystories_valid_a", characters: 8000, method: .gptq, window: 128, windows: 30, scored: 3810,
      perplexity: 4.231053394729359, error: 0.10268290556048414),
    Case(
      model: "stories260K", text: "tinystories_valid_a", characters: 8000, method: .llamaCpp, window: 128, windows: 30, scored: 1890,
      perplexity: 3.7325561848300635, error: 0.15370414402557475),
    Case(
      model: "stories260K", text: "tinystories_valid_a", characters: 8000, method: .gptq, window: 100, windows: 38, scored: 3762,
      perplexity: 4.316364254930385, error: 0.11190172278952933),
    Case(
      model: "stories260K", text: "tinystories_valid_a", characters: 8000, method: .llamaCpp, window: 100, windows: 38, scored: 1862,
      perplexity: 3.969849709287482, error: 0.1667968600029072),
  ]

  @Test("gptq and llama.cpp perplexities, errors included, agree with PyTorch", arguments: cases)
  func protocols(item: Case) throws {
    let source = try ModelSource.open(path: SharedData.path("models/\(item.model)"))
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    let whole = try EvaluationText(path: SharedData.path("data/text/\(item.text).txt")).whole
    let text = tokenizer.encode(String(String.UnicodeScalarView(whole.unicodeScalars.prefix(item.characters))), template: false)
    let setting = PerplexitySetting(item.method, window: item.window, bos: tokenizer.bosTokens[0])
    let result = try Perplexity(try Llama(source, on: CPUBackend()), text: text, setting)
    #expect(result.windows == item.windows && result.scoredTokens == item.scored)
    // What a faithful float32 program reaches (reference/README.md).
    #expect(abs(result.perplexity - item.perplexity) <= 1e-4 * item.perplexity, "\(result.perplexity) for \(item.perplexity)")
    let error = try #require(result.perplexityError)
    #expect(abs(error - item.error) <= 1e-4 * item.error, "± \(error) for \(item.error)")
  }

  @Test("word and byte perplexity agree with lm-evaluation-harness", arguments: ["stories260K", "talespin-15m"])
  func words(name: String) throws {
    let expected = try #require(try SharedData.json("reference/\(name)/lm_eval.json")["tasks"]?["storyppl_hoof_shared"])
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    let model = try Llama(source, on: CPUBackend())
    let texts = try EvaluationText(path: SharedData.path("data/text/tinystories.jsonl")).documents
    let count = try #require(expected["n"]?.int)
    let documents = texts.prefix(count).map {
      WordPerplexity.Document(ids: tokenizer.encode($0, template: false), words: EvaluationText.wordCount($0), bytes: $0.utf8.count)
    }
    let bos = tokenizer.bosTokens[0]
    func measure(_ documents: [WordPerplexity.Document]) throws -> WordPerplexity {
      try WordPerplexity(model, documents: documents, window: source.config.contextLength, bos: bos, context: bos)
    }
    let result = try measure(documents)
    for (own, key) in [
      (result.wordPerplexity, "word_perplexity,none"), (result.bytePerplexity, "byte_perplexity,none"),
      (result.bitsPerByte, "bits_per_byte,none"),
    ] {
      let theirs = try #require(expected["results"]?[key]?.double)
      #expect(abs(own - theirs) <= 1e-4 * theirs, "\(key): \(own) for \(theirs)")
    }
    // Some stories are longer than the model's context, so that windows are cut too.
    if name == "stories260K" { #expect(documents.contains { $0.ids.count > source.config.contextLength }) }
    for (index, sample) in try #require(expected["first_25_samples"]?.array).enumerated() where index % 8 == 0 {
      let theirs = try #require(sample["resps"]?.array?.first?.double)
      let own = -(try measure([documents[index]]).loss)
      #expect(abs(own - theirs) <= 1e-4 * abs(theirs), "document \(index): \(own) for \(theirs)")
    }
  }
}
