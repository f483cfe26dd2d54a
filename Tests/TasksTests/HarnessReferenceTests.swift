import BackendCPU
import Formats
import JSON
import TestSupport
import Testing
import Tokenization
import Transformer

@testable import Tasks

/// Against what lm-evaluation-harness 0.4.13 with transformers in float32 said of the same models and files (lm_eval.json).
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct HarnessReferenceTests {
  /// The reference's name, the task's, and where its file is. MMLU's file was one task there; its first hundred rows are anatomy.
  private static let tasks: [(reference: String, name: String, folder: String)] =
    ["arc_challenge", "arc_easy", "copa", "hellaswag", "piqa", "story_last_word", "story_next_sentence"].map {
      ("\($0)_hoof_shared", $0, "data/tasks")
    } + [
      ("lambada_hoof_shared", "lambada_openai", "data/tasks"), ("openbook_qa_hoof_shared", "openbookqa", "data/tasks"),
      ("mmlu_hoof_shared", "mmlu", "data/tasks"), ("storyppl_hoof_shared", "tinystories", "data/text"),
    ]

  private func examinee(_ name: String) throws -> Examinee {
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    let tokenizer = try Tokenizer(json: #require(source.tokenizer))
    let encoder = RequestEncoder(
      tokenizer, prefix: Int32(try #require(source.config.bosToken)), maxLength: source.config.contextLength)
    return Examinee(
      model: try Llama(source, on: CPUBackend(threads: 2)), encoder: encoder, ends: Set(source.config.eosTokens.map(Int32.init)))
  }

  @Test("scores, and what was said to the first questions, are the harness's", arguments: ["stories260K", "talespin-15m"])
  func scores(model: String) throws {
    let reference = try SharedData.json("reference/\(model)/lm_eval.json")["tasks"]
    let examinee = try examinee(model)
    let catalogue = try TaskCatalogue()
    for (key, name, folder) in HarnessReferenceTests.tasks {
      let expected = try #require(reference?[key], "\(key)")
      var options = TaskRunner.Options()
      options.limit = expected["n"]?.int
      // Two thousand draws give a perplexity's error to a few per cent; StandardErrorTests has the harness's own.
      options.draws = 2000
      var runner = TaskRunner([examinee], options: options)
      let selection = try catalogue.select([name], in: SharedData.path(folder))
      let samples = expected["first_25_samples"]?.array ?? []
      var outcomes: [TaskOutcome] = []
      var checked = 0
      for task in selection.tasks where options.limit != 100 || task.definition.name != "mmlu" {
        outcomes += try runner.run(task, caches: [nil], monitor: { _ in }) { record in
          guard outcomes.isEmpty, record.index < samples.count else { return }
          check(record, samples[record.index], "\(model), \(name), question \(record.index)")
          checked += 1
        }
        // The reference ends inside of the first subject.
        if name == "mmlu", options.limit == 100 { break }
      }
      #expect(checked == samples.count && checked >= 25, "\(name)")
      let metrics = try #require(outcomes.first?.result.metrics)
      for metric in metrics {
        let parts = outcomes.map { outcome in
          (outcome.result.metrics.first { $0.key == metric.key }!, outcome.result.asked)
        }
        let value = parts.reduce(0) { $0 + $1.0.value * Double($1.1) } / Double(parts.reduce(0) { $0 + $1.1 })
        let wanted = try #require(expected["results"]?[metric.key]?.double, "\(name) \(metric.key)")
        // Scores to four decimals; perplexities of up to 10^8 to four digits.
        #expect(
          abs(value - wanted) < (metric.aggregation == .mean ? 5e-5 : 1e-4 * wanted),
          "\(model), \(name), \(metric.key): \(value), \(wanted)")
      }
      #expect(expected["results"]?.object?.names.filter { $0 != "sample_len" }.sorted() == metrics.map(\.key).sorted(), "\(name)")
    }
  }

  private func check(_ record: TaskRunner.Record, _ sample: JSON, _ place: String) {
    let prompt = sample["prompt0"]?.array?.compactMap(\.string) ?? []
    if prompt.count == 2 {
      #expect(prompt[0] == record.question.contexts.first && prompt[1] == record.question.continuations.first, "\(place)")
    }
    let answer = record.answers[0]
    let replies = sample["resps"]?.array ?? []
    var (worst, greedy) = (0.0, [Bool]())
    var wanted: [Double] = []
    for reply in replies {
      // The harness gives a rolling log-likelihood alone.
      let pair = reply.array ?? [reply]
      wanted.append(pair[0].double ?? .nan)
      if let flag = pair.last?.bool { greedy.append(flag) }
    }
    #expect(wanted.count == answer.logLikelihoods.count, "\(place)")
    for (own, other) in zip(answer.logLikelihoods, wanted) { worst = max(worst, abs(own - other) / max(abs(other), 1e-3)) }
    // Float32 sums in another order.
    #expect(worst < 1e-4, "\(place): \(answer.logLikelihoods), \(wanted)")
    if !greedy.isEmpty { #expect(greedy == answer.greedy, "\(place)") }
  }
}
