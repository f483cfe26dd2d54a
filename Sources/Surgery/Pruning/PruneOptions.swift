import JSON

/// What determines a method's choice, beside model and texts.
public struct PruneOptions: Sendable, Equatable {
  public var method: PruneMethod
  /// Of the searches; nil for the method's own: KL, and JS for FinerCut.
  public var metric: SearchMetric?
  /// FinerCut's share of first layers that are left alone for a while.
  public var exclude = 0.0
  /// Whether the first and the last layer stay whatever the method says.
  public var keepEnds = false
  public var seed = 0
  /// Of minitron: what is cut, each by the same ratio.
  public var axes: Set<WidthPruning.Axis> = [.mlp]
  /// Kept neurons and channels are multiples of it.
  public var neuronMultiple = NeuronSelection.usualMultiple

  public init(method: PruneMethod) { self.method = method }

  /// Methods that measure every candidate anew and can do so by another metric.
  public static let searches: Set<PruneMethod> = [.greedy, .finercut]

  var searchMetric: SearchMetric { metric ?? (method == .finercut ? .js : .kl) }

  /// The same text in every process: whatever determines the numbers of a search, but not how far it goes.
  public var identity: String {
    "method=\(method.rawValue) metric=\(searchMetric.rawValue) exclude=\(exclude) keep-ends=\(keepEnds) seed=\(seed)"
  }

  /// For the plan file: what the method looks at.
  var json: JSON {
    var object = JSON.Object()
    if PruneOptions.searches.contains(method) { object["metric"] = .string(searchMetric.rawValue) }
    if method == .finercut { object["exclude"] = .double(exclude) }
    if method == .random { object["seed"] = .int(seed) }
    if method == .minitron { object["axes"] = .array(axes.map(\.rawValue).sorted().map { .string($0) }) }
    if method.facts.unit == .neurons { object["neuron_multiple"] = .int(neuronMultiple) }
    if keepEnds { object["keep_ends"] = true }
    return .object(object)
  }
}
