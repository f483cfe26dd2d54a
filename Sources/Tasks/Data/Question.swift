/// A question as it is put to the model.
public struct Question: Sendable, Equatable {
  /// Whole text in front of the answer, description and examples included: one, or one for each choice (winogrande); none where a text is
  /// scored as a whole.
  public var contexts: [String]
  /// What is scored behind it, delimiter included: one for each choice, or one for a single context; none for generate_until.
  public var continuations: [String]
  /// Texts whose lengths acc_norm and acc_bytes divide by.
  public var choices: [String]
  /// Right choices; several where the target is a list.
  public var gold: [Int]
  /// generate_until: the right answer. loglikelihood_rolling: the text that is scored.
  public var reference: String
  /// generate_until: further right answers.
  public var alternatives: [String]
  /// loglikelihood_rolling: the text whose words and bytes count; WikiText counts before it takes spaces away.
  public var counted: String
  /// truthfulqa_mc2: 1 for each true choice, else 0.
  public var labels: [Double]?

  /// Continuations that are scored; every one behind the only context, or each behind its own.
  var requestCount: Int { max(contexts.count, continuations.count) }

  public init(
    contexts: [String] = [], continuations: [String] = [], choices: [String] = [], gold: [Int] = [], reference: String = "",
    alternatives: [String] = [], counted: String? = nil, labels: [Double]? = nil
  ) {
    (self.contexts, self.continuations, self.choices, self.gold) = (contexts, continuations, choices, gold)
    (self.reference, self.alternatives, self.counted, self.labels) = (reference, alternatives, counted ?? reference, labels)
  }
}
