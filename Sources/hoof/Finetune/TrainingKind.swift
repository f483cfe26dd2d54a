/// What is trained, as far as the usual learning rate depends on it.
enum TrainingKind: String, CaseIterable {
  case full, adapter, parts, scratch
  /// All weights, with a teacher.
  case taught

  /// As LLaMA-Factory's examples have it for whole models and adapters, and Minitron (arXiv 2407.14679) for a model with a teacher.
  var defaultRate: Double {
    switch self {
    case .full: 1e-5
    case .adapter: 1e-4
    case .parts: 1e-4
    case .scratch: 5e-4
    case .taught: 1e-4
    }
  }

  /// Rates that somebody has used with success.
  private var usual: ClosedRange<Double> {
    switch self {
    case .full: 1e-7...1e-3
    case .adapter: 2e-5...5e-3
    case .parts: 1e-6...1e-2
    case .scratch: 5e-5...1e-2
    case .taught: 1e-6...2e-3
    }
  }

  private var subject: String {
    switch self {
    case .full: "training all weights of a model"
    case .adapter: "an adapter, which starts at nothing"
    case .parts: "training a few tensors"
    case .scratch: "training from scratch"
    case .taught: "all weights of a model with a teacher"
    }
  }

  static let defaultRates = "1e-5 for weights, 1e-4 with --teacher or for adapters, 5e-4 for a new model"

  /// What to tell somebody whose rate looks like another kind's.
  func warning(rate: Double) -> String? {
    guard rate > 0, !usual.contains(rate) else { return nil }
    return "a learning rate of \(rate) is \(rate < usual.lowerBound ? "small" : "large") for \(subject): "
      + "\(usual.lowerBound) to \(usual.upperBound) are usual, \(defaultRate) is the default"
  }
}
