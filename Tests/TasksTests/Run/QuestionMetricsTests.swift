import JSON
import Testing

@testable import Tasks

struct QuestionMetricsTests {
  /// A definition as a user would write it.
  private func metrics(_ json: String) throws -> QuestionMetrics {
    QuestionMetrics(try TaskDefinition.layouts(of: JSON(parsing: json).object!, path: "test")[0])
  }

  private func values(_ metrics: QuestionMetrics, _ answer: ModelAnswer, _ question: Question) throws -> [String: Double] {
    Dictionary(uniqueKeysWithValues: zip(metrics.metrics.map(\.key), try metrics.values(answer, to: question).map(\.value)))
  }

  private static let choices = #"""
    {"task": "t", "output_type": "multiple_choice", "doc_to_text": "a", "doc_to_choice": "c", "doc_to_target": "g",
     "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}, {"metric": "acc_bytes"}, {"metric": "exact_match"}]}
    """#

  @Test("acc takes sums, acc_norm divides by characters, acc_bytes by UTF-8 bytes; the first of equals wins")
  func choices() throws {
    let metrics = try metrics(QuestionMetricsTests.choices)
    // -6/4, -8/6, -9/5 by characters; -6/4, -8/6, -9/15 by bytes.
    let question = Question(contexts: ["a"], continuations: [" b"], choices: ["abcd", "abcdef", "日本語日本"], gold: [1])
    let answer = ModelAnswer(logLikelihoods: [-6, -8, -9], greedy: [false, true, false])
    #expect(try values(metrics, answer, question) == ["acc,none": 0, "acc_norm,none": 1, "acc_bytes,none": 0, "exact_match,none": 1])
    var other = question
    other.gold = [2, 0]
    #expect(try values(metrics, answer, other) == ["acc,none": 1, "acc_norm,none": 0, "acc_bytes,none": 1, "exact_match,none": 0])
    let tie = ModelAnswer(logLikelihoods: [-8, -8, -9], greedy: [false, false, false])
    #expect(try values(metrics, tie, question)["acc,none"] == 0)
  }

  @Test("the share of true answers, also where every probability is below the least number")
  func trueShare() throws {
    let metrics = try metrics(
      #"{"task": "t", "output_type": "multiple_choice", "doc_to_text": "a", "doc_to_choice": "c", "doc_to_target": 0}"#)
    let question = Question(contexts: ["a"], continuations: [" b"], choices: ["a", "b", "c"], gold: [0], labels: [1, 0, 1])
    for shift in [0.0, -5000] {
      let answer = ModelAnswer(logLikelihoods: [-1 + shift, -2 + shift, -3 + shift], greedy: [false, false, false])
      // (e⁻¹ + e⁻³) / (e⁻¹ + e⁻² + e⁻³)
      #expect(abs(try values(metrics, answer, question)["acc,none"]! - 0.7552715289452023) < 1e-12)
    }
  }

  @Test("a text's words and bytes are those that are counted; a continuation is right when every token is the likeliest")
  func texts() throws {
    let rolling = try metrics(#"{"task": "t", "output_type": "loglikelihood_rolling", "doc_to_target": "text"}"#)
    let question = Question(reference: "a b", counted: "ä  b c ")
    let found = try rolling.values(ModelAnswer(logLikelihoods: [-9], greedy: [false]), to: question)
    #expect(rolling.metrics.map(\.name) == ["word_perplexity", "byte_perplexity", "bits_per_byte"])
    #expect(found.map(\.weight) == [4, 8, 8] && found.allSatisfy { $0.value == -9 })
    let target = try metrics(#"{"task": "t", "output_type": "loglikelihood", "doc_to_text": "a", "doc_to_target": "b"}"#)
    for greedy in [true, false] {
      let found = try values(target, ModelAnswer(logLikelihoods: [-2], greedy: [greedy]), Question(contexts: ["a"], continuations: ["b"]))
      #expect(found == ["perplexity,none": -2, "acc,none": greedy ? 1 : 0])
    }
  }

  /// Against `exact_match_hf_evaluate` with the same options.
  @Test(
    "written answers are compared without what does not matter",
    arguments: [
      ("The answer is 1,234.", "1234", "[invalid]", true), ("#### 7.", "long\n#### 7", "7.", true), ("#### 7\n#### 8", "#### 8", "7", true),
      ("#### 5 apples 6", "6", "5", true), ("nothing", "3", "[invalid]", false), ("#### $18", "#### 18", "[invalid]", true),
      ("12 or 13", "12", "[invalid]", false),
    ] as [(String, String, String, Bool)])
  func written(text: String, reference: String, strict: String, isFlexible: Bool) throws {
    let task = try TaskCatalogue().layouts("gsm8k")![0]
    let metrics = QuestionMetrics(task)
    #expect(metrics.metrics.map(\.key) == ["exact_match,strict-match", "exact_match,flexible-extract"])
    #expect(try metrics.filtered(ModelAnswer(text: text))[0].text == strict)
    let flexible = try values(metrics, ModelAnswer(text: text), Question(contexts: ["a"], reference: reference))[
      "exact_match,flexible-extract"]
    #expect(flexible == (isFlexible ? 1 : 0))
  }

  @Test("case, punctuation and numbers can be made not to matter; any of several right answers will do")
  func options() throws {
    let metrics = try metrics(
      #"""
      {"task": "t", "output_type": "generate_until", "doc_to_text": "a", "doc_to_target": "b", "metric_list": [
       {"metric": "exact_match", "ignore_case": true, "ignore_punctuation": true, "ignore_numbers": true}]}
      """#)
    let question = Question(contexts: ["a"], reference: "Blue!", alternatives: ["re-d 7"])
    for (text, share) in [("blue", 1.0), ("BLUE 12", 0), ("Red ", 1), ("green", 0)] {
      #expect(try values(metrics, ModelAnswer(text: text), question)["exact_match,none"] == share, "\(text)")
    }
  }
}
