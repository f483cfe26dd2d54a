import Evaluation
import Formats
import JSON

/// The result of `hoof ablate` as others read it: the JSON of the ablation report, version 1.
public struct AblationReport: Sendable {
  /// Where the numbers come from.
  public struct Subject: Sendable {
    public var path: String
    public var fingerprint: String
    /// Fingerprint of the model this one was converted from without a cut; what is said here holds for that one too.
    public var origin: String?
    public var config: LlamaConfig
    public init(path: String, fingerprint: String, origin: String? = nil, config: LlamaConfig) {
      self.path = path
      self.fingerprint = fingerprint
      self.origin = origin
      self.config = config
    }
  }

  public struct Calibration: Sendable {
    public var path: String
    public var sha256: String
    public var maxTokens: Int
    public init(path: String, sha256: String, maxTokens: Int) {
      self.path = path
      self.sha256 = sha256
      self.maxTokens = maxTokens
    }
  }

  public let json: JSON

  public init(
    _ result: AblationStudy.Result, of study: AblationStudy, subject: Subject, calibration: Calibration, backend: String, seconds: Double
  ) {
    let options = study.options
    var report: JSON.Object = [
      "format": "hoof-ablation", "version": 1,
      "model": AblationReport.model(subject),
      "calibration": [
        "path": .string(calibration.path), "sha256": .string(calibration.sha256), "prompts": .int(study.prompts.count),
        "tokens": .int(study.prompts.reduce(0) { $0 + $1.count }), "max_tokens": .int(calibration.maxTokens),
      ],
      "ablation": .string(options.replacement.rawValue), "backend": .string(backend), "seconds": .double(seconds),
      "baseline": ["cross_entropy": .double(result.baseline.crossEntropy), "perplexity": .double(result.baseline.perplexity)],
    ]
    if let shard = options.shard {
      report["shard"] = [
        "index": .int(shard.index + 1), "count": .int(shard.count), "study": .string(options.identity),
      ]
    }

    let outcomes = result.outcomes.sorted { AblationReport.order($0.key) < AblationReport.order($1.key) }
    var sections: [String: [JSON]] = ["layers": []]
    if options.sublayers { sections["sublayers"] = [] }
    if options.heads != .none { sections["heads"] = [] }
    if options.keyHeads { sections["kv_groups"] = [] }
    for (component, outcome) in outcomes {
      let (section, entry) = AblationReport.entry(component, outcome, study: study, activity: result.activity)
      sections[section]?.append(.object(entry))
    }
    for name in AblationReport.componentSections where sections[name] != nil { report[name] = .array(sections[name]!) }
    if let neurons = result.neurons { report["neurons"] = .array(neurons.enumerated().map { AblationReport.neurons($0, $1) }) }
    if let activity = result.activity {
      report["blocks"] = .array(activity.blocks.map(AblationReport.block))
      if options.shard == nil { report["proxy_correlation"] = AblationReport.correlations(report["layers"]?.array ?? []) }
    }
    if options.suggestDrop > 0, options.shard == nil || options.shard!.index == 0 {
      report["suggested_drop"] = .array(result.drop.map(\.layer).sorted().map { .int($0) })
      report["drop_steps"] = .array(
        result.drop.map { ["layer": .int($0.layer), "kl": .double($0.divergence), "perplexity": .double($0.perplexity)] })
    }
    if options.shard == nil { report["critical"] = AblationReport.critical(report) }
    if let safe = result.safe { report["safe"] = safe.json(baseline: result.baseline.perplexity) }
    json = .object(report)
  }

  static func critical(_ report: JSON.Object) -> JSON {
    CriticalParts.json(
      baseline: report["baseline"]?["perplexity"]?.double, layers: report["layers"]?.array ?? [], sublayers: report["sublayers"]?.array)
  }

  init(json: JSON) { self.json = json }

  /// Sections with one entry per ablated component, in the order of the report.
  static let componentSections = ["layers", "sublayers", "heads", "kv_groups"]
  /// Proxies that are ranked against the measured divergence.
  static let proxies = ["block_influence", "angular_distance", "weight_magnitude", "attention_norm"]

  private static func order(_ component: Component) -> (Int, Int, Int) {
    switch component {
    case .layer(let layer): (0, layer, 0)
    case .attention(let layer): (1, layer, 0)
    case .mlp(let layer): (1, layer, 1)
    case .head(let layer, let head): (2, layer, head)
    case .keyHead(let layer, let keyHead): (3, layer, keyHead)
    }
  }

  private static func model(_ subject: Subject) -> JSON {
    let layers = subject.config.layers
    var model: JSON.Object = [
      "path": .string(subject.path), "fingerprint": .string(subject.fingerprint), "layers": .int(layers.count),
      "heads": .int(layers.map(\.queryHeads).max() ?? 0), "kv_heads": .int(layers.map(\.keyHeads).max() ?? 0),
      "hidden_size": .int(subject.config.hiddenSize), "vocab_size": .int(subject.config.vocabularySize),
    ]
    let sizes = layers.map(\.intermediateSize)
    model["intermediate_sizes"] = .array(sizes.map { .int($0) })
    if let origin = subject.origin { model["origin"] = .string(origin) }
    return .object(model)
  }

  private static func entry(
    _ component: Component, _ outcome: Outcome, study: AblationStudy, activity: ActivityStatistics?
  ) -> (section: String, JSON.Object) {
    var entry: JSON.Object = ["layer": .int(component.layer)]
    let section: String
    switch component {
    case .layer: section = "layers"
    case .attention:
      section = "sublayers"
      entry["part"] = "attention"
    case .mlp:
      section = "sublayers"
      entry["part"] = "mlp"
    case .head(_, let head):
      section = "heads"
      entry["head"] = .int(head)
    case .keyHead(let layer, let keyHead):
      section = "kv_groups"
      entry["kv_group"] = .int(keyHead)
      let shape = study.model.layers[layer].attention?.shape
      entry["heads"] = .array(shape.flatMap { component.silencedHeads($0) }.map { $0.map { .int($0) } } ?? [])
    }
    entry["kl"] = .double(outcome.meanDivergence)
    entry["kl_stderr"] = .double(outcome.divergenceStandardError)
    entry["perplexity"] = .double(outcome.perplexity)
    entry["top1_agreement"] = .double(outcome.agreement)
    if case .layer(let layer) = component {
      entry["kl_per_prompt"] = .double(outcome.meanDivergencePerPrompt)
      entry["kl_last_token"] = .double(outcome.meanLastDivergence)
      entry["kl_max"] = .double(outcome.greatestDivergence)
      if let activity {
        let block = activity.blocks.first { $0.start == layer && $0.length == 1 }
        entry["block_influence"] = .double(activity.blockInfluence[layer])
        entry["angular_distance"] = .double(block?.lastToken ?? 0)
        entry["weight_magnitude"] = .double(activity.weightMagnitude[layer])
        entry["attention_norm"] = .double(activity.attentionNorm[layer])
      }
    }
    return (section, entry)
  }

  private static func neurons(_ layer: Int, _ statistics: NeuronStatistics) -> JSON {
    func list(_ values: [Double]) -> JSON { .array(values.map { .double(Double(Float($0))) }) }
    return ["layer": .int(layer), "mean_abs": list(statistics.meanAbsolute), "firing_rate": list(statistics.firingRate)]
  }

  private static func block(_ block: ActivityStatistics.Block) -> JSON {
    [
      "start": .int(block.start), "length": .int(block.length), "angular_distance": .double(block.lastToken),
      "angular_distance_all_tokens": .double(block.allTokens),
    ]
  }

  /// Rank agreement of each proxy with the measured divergence of the layers; a proxy that is constant has none.
  static func correlations(_ layers: [JSON]) -> JSON {
    let divergences = layers.compactMap { $0["kl"]?.double }
    var correlations = JSON.Object()
    for proxy in proxies {
      let values = layers.compactMap { $0[proxy]?.double }
      guard values.count == divergences.count, let correlation = RankCorrelation(values, divergences) else { continue }
      correlations[proxy] = ["spearman": .double(correlation.spearman), "kendall": .double(correlation.kendall)]
    }
    return .object(correlations)
  }
}
