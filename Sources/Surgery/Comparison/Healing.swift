/// What was done to a cut model to get back what the cut cost.
public struct Healing: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case none
    /// LinearPatch, fitted in closed form (arXiv 2505.24680).
    case patch
    /// LinearPatch, then only the patches are trained against the uncut model.
    case tunedPatch = "patch-tuned"
    /// Low-rank adapters on the text (arXiv 2106.09685), merged.
    case lora
    /// All weights on the text.
    case sft
    /// All weights, against the uncut model's predictions and the text.
    case distill

    public var isTrained: Bool { self != .none && self != .patch }
    public var needsPatch: Bool { self == .patch || self == .tunedPatch }
    /// Whether the uncut model teaches.
    public var hasTeacher: Bool { self == .tunedPatch || self == .distill }
  }

  public var kind: Kind
  /// Name of the row of the same cut that is not healed.
  public var cut: String
  /// Steps of training; 0 without any.
  public var steps: Int
  /// Highest learning rate.
  public var rate: Double
  /// Parameters that were trained.
  public var trained: Int
  public var seconds: Double

  public init(kind: Kind, cut: String, steps: Int = 0, rate: Double = 0, trained: Int = 0, seconds: Double = 0) {
    self.kind = kind
    self.cut = cut
    self.steps = steps
    self.rate = rate
    self.trained = trained
    self.seconds = seconds
  }
}

extension ComparisonTable {
  /// How much of the cross-entropy that the cut lost came back, 1 for all; nil for a row that was not healed or lost nothing.
  public func recovery(of row: Row) -> Double? {
    guard let healing = row.healing, healing.kind != .none, let bare = rows.first(where: { $0.name == healing.cut }) else { return nil }
    return ComparisonTable.recovery(from: bare.outcome, to: row.outcome, base: base.outcome)
  }

  /// The same on the text of another domain.
  public func outOfDomainRecovery(of row: Row) -> Double? {
    guard let healing = row.healing, healing.kind != .none, let bare = rows.first(where: { $0.name == healing.cut }),
      let cut = bare.outOfDomain, let own = row.outOfDomain, let base = base.outOfDomain
    else { return nil }
    return ComparisonTable.recovery(from: cut, to: own, base: base)
  }

  private static func recovery(from cut: Outcome, to healed: Outcome, base: Outcome) -> Double? {
    let lost = cut.crossEntropy - base.crossEntropy
    let share = (cut.crossEntropy - healed.crossEntropy) / lost
    return lost > 0 && share.isFinite ? share : nil
  }

  var hasHealing: Bool { rows.contains { $0.healing != nil } }
  var hasOutOfDomain: Bool { rows.contains { $0.outOfDomain != nil } }
  var hasGeneration: Bool { rows.contains { $0.generation != nil } }
}
