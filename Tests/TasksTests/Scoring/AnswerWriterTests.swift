import BackendCPU
import Formats
import JSON
import TestSupport
import Testing
import Tokenization
import Transformer

@testable import Tasks

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct AnswerWriterTests {
  /// SHA-256 of the answers, joined by zero bytes, that lm-evaluation-harness 0.4.13 with transformers in float32 had stories260K write to the
  /// first twelve questions of the slice, its last 200 being what examples are drawn from; prompts are longer than the model reads.
  private static let written = [
    ("gsm8k", "ceba478a3ab5a7f75b3fba0708c8018b2606d2a78eedde5cc48f1b0a056e0980"),
    ("gsm8k_cot", "9052b15f78b19ce90c5a0ca8621803894d7a8e4e9d44a1857e432e8ac9c6d163"),
  ]

  @Test("prompts with drawn and with written examples, cut on the left, and what is written behind them are the harness's")
  func harness() throws {
    let folder = try TemporaryFolder()
    let lines = String(decoding: try SharedData.bytes("data/tasks/gsm8k_test.jsonl"), as: UTF8.self).split(separator: "\n")
    try folder.write("gsm8k_test.jsonl", lines.prefix(12).map { $0 + "\n" }.joined())
    try folder.write("gsm8k_train.jsonl", lines.suffix(200).map { $0 + "\n" }.joined())
    let source = try ModelSource.open(path: SharedData.path("models/stories260K"))
    let encoder = RequestEncoder(
      try Tokenizer(json: #require(source.tokenizer)), prefix: Int32(try #require(source.config.bosToken)),
      maxLength: source.config.contextLength)
    let examinee = Examinee(
      model: try Llama(source, on: CPUBackend(threads: 2)), encoder: encoder, ends: Set(source.config.eosTokens.map(Int32.init)))
    var runner = TaskRunner([examinee])
    for (name, digest) in AnswerWriterTests.written {
      var texts: [String] = []
      let task = try #require(try TaskCatalogue().select([name], in: folder.path).tasks.first)
      let outcome = try runner.run(task, caches: [nil], monitor: { _ in }) { texts.append($0.answers[0].text ?? "") }
      var hash = SHA256()
      hash.update(texts.joined(separator: "\0"))
      #expect(hash.hexDigest() == digest, "\(name)")
      // A model of stories has no answer right; both ways of taking it out of the text say so.
      #expect(outcome[0].result.metrics.map(\.key) == ["exact_match,strict-match", "exact_match,flexible-extract"])
      #expect(outcome[0].result.metrics.allSatisfy { $0.value == 0 })
    }
  }
}
