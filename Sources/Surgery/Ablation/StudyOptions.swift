import Formats

/// What an ablation study measures beyond whole layers, which it always does.
public struct StudyOptions: Sendable, Equatable {
  /// Layers whose heads are ablated one by one.
  public enum Heads: Sendable, Equatable {
    case none, all
    case layers(Set<Int>)

    func includes(_ layer: Int) -> Bool {
      switch self {
      case .none: false
      case .all: true
      case .layers(let layers): layers.contains(layer)
      }
    }
  }

  /// One of several parts of a study that run apart: 0-based index of count.
  public struct Shard: Sendable, Equatable {
    /// Far more than models have layers; what a report may claim.
    public static let mostParts = 65536
    public var index: Int, count: Int
    public init(index: Int, count: Int) {
      self.index = index
      self.count = count
    }
  }

  public var sublayers = false
  public var heads = Heads.none
  public var keyHeads = false
  public var neurons = false
  public var proxies = false
  public var replacement = Replacement.zero
  /// How many layers to suggest for removal; 0 for none.
  public var suggestDrop = 0
  /// Whether the suggestion is the plain ranking of single ablations instead of a greedy search that measures again after each removal.
  public var oneShot = false
  /// Whether to look for layers that can be removed together (`SafeSet`); a sharded study does not, because no part has all layers' numbers.
  public var safeSet = false
  public var shard: Shard?
  /// |a| strictly above this counts as firing.
  public var firingThreshold: Float = 0.02

  public init() {}

  /// Everything that determines the numbers, the same text in every process; sets print in another order each time.
  /// Without the shard, so that all parts of a study share it.
  public var identity: String {
    let layers: String
    switch heads {
    case .none: layers = "none"
    case .all: layers = "all"
    case .layers(let chosen): layers = chosen.sorted().map(String.init).joined(separator: ",")
    }
    return "sublayers=\(sublayers) heads=\(layers) key-heads=\(keyHeads) neurons=\(neurons) proxies=\(proxies) "
      + "replacement=\(replacement.rawValue) drop=\(suggestDrop) one-shot=\(oneShot) firing=\(firingThreshold)"
  }

  /// What is taken out of one layer: whatever still runs the layer's MLP first, so that it is one block of rows, and heads as neighbours.
  public func components(of layer: Int, _ config: LlamaConfig) -> [Component] {
    let sizes = config.layers[layer]
    var components: [Component] = []
    if sizes.queryHeads > 0 {
      if sublayers { components.append(.attention(layer)) }
      if heads.includes(layer) { components += (0..<sizes.queryHeads).map { .head(layer: layer, head: $0) } }
      if keyHeads { components += (0..<sizes.keyHeads).map { .keyHead(layer: layer, keyHead: $0) } }
    }
    if sublayers, sizes.intermediateSize > 0 { components.append(.mlp(layer)) }
    return components + [.layer(layer)]
  }

  /// Layers this shard studies: dealt so that the most expensive go first to the shard with least work. All of them without a shard.
  func layers(_ config: LlamaConfig, cost: StudyCost) -> [Int] {
    let all = Array(config.layers.indices)
    guard let shard else { return all }
    var loads = [Double](repeating: 0, count: shard.count)
    var mine: [Int] = []
    let costs = all.map { layer in components(of: layer, config).reduce(0) { $0 + cost.flops($1) } }
    for layer in all.sorted(by: { (costs[$0], $1) > (costs[$1], $0) }) {
      let owner = loads.indices.min { loads[$0] < loads[$1] }!
      loads[owner] += costs[layer]
      if owner == shard.index { mine.append(layer) }
    }
    return mine.sorted()
  }
}
