import JSON

/// What the page draws, read from a report's JSON. Whatever is absent, null or of the wrong kind is simply not drawn.
struct ReportData {
  struct Layer {
    let index: Int
    let kl: Double?, error: Double?, perplexity: Double?, agreement: Double?, seconds: Double?
    /// By name, in the page's order.
    let proxies: [String: Double]
  }
  struct Part {
    let layer: Int
    let attention: Double?, mlp: Double?
  }
  /// One cell of a layer × column map.
  struct Cell {
    let layer: Int, column: Int
    let kl: Double
  }
  struct Neurons {
    let layer: Int
    let meanAbsolute: [Double], firingRate: [Double]
  }
  struct Correlation {
    let spearman: Double?, kendall: Double?
  }

  struct Critical {
    struct Part {
      let layer: Int
      /// "attention" or "mlp"; nil for the whole layer.
      let part: String?
      let reason: String
      var name: String { "Layer \(layer)" + (part.map { $0 == "mlp" ? ", MLP" : ", \($0)" } ?? "") }
    }
    let parts: [Part]
    let factorLimit: Double?, divergenceLimit: Double?
    var layers: [Int] { parts.filter { $0.part == nil }.map(\.layer) }
  }
  /// Layers that can be removed together.
  struct Safe {
    let layers: [Int]
    let increase: Double?, kl: Double?
    let evidence: String
  }

  let root: JSON
  let layers: [Layer]
  let parts: [Part]
  let heads: [Cell]
  let groups: [Cell]
  let neurons: [Neurons]
  let proxies: [String]
  let correlations: [String: Correlation]
  let suggestedDrop: [Int]
  let critical: Critical?
  let safe: Safe?
  let baselinePerplexity: Double?

  /// Larger indices are damage; a drawing must not grow with them.
  private static let greatestIndex = 4096
  private static let knownProxies = ["block_influence", "angular_distance", "weight_magnitude", "attention_norm"]

  init(_ root: JSON) {
    self.root = root
    let entries = root["layers"]?.array ?? []
    let correlated = root["proxy_correlation"]?.object
    let names = Self.knownProxies + (correlated?.names ?? []).filter { !Self.knownProxies.contains($0) }
    proxies = names.filter { name in entries.contains { $0[name]?.double != nil } }
    correlations = Dictionary(
      uniqueKeysWithValues: (correlated?.names ?? []).map {
        ($0, Correlation(spearman: correlated?[$0]?["spearman"]?.double, kendall: correlated?[$0]?["kendall"]?.double))
      })
    layers = entries.compactMap { entry in
      guard let index = Self.index(entry["layer"]) else { return nil }
      let proxies = names.compactMap { name in entry[name]?.double.map { (name, $0) } }
      return Layer(
        index: index, kl: entry["kl"]?.double, error: entry["kl_stderr"]?.double, perplexity: entry["perplexity"]?.double,
        agreement: entry["top1_agreement"]?.double, seconds: entry["seconds"]?.double, proxies: Dictionary(uniqueKeysWithValues: proxies))
    }.sorted { $0.index < $1.index }
    parts = Self.parts(root["sublayers"]?.array ?? [])
    heads = Self.cells(root["heads"]?.array ?? [], column: ["head"])
    groups = Self.cells(root["kv_groups"]?.array ?? [], column: ["kv_group", "group"])
    neurons = (root["neurons"]?.array ?? []).compactMap { entry in
      guard let layer = Self.index(entry["layer"]) else { return nil }
      return Neurons(
        layer: layer, meanAbsolute: (entry["mean_abs"]?.array ?? []).compactMap(\.double),
        firingRate: (entry["firing_rate"]?.array ?? []).compactMap(\.double))
    }.sorted { $0.layer < $1.layer }
    suggestedDrop = (root["suggested_drop"]?.array ?? []).compactMap(Self.index)
    critical = Self.critical(root["critical"])
    safe = Self.safe(root["safe"])
    baselinePerplexity = root["baseline"]?["perplexity"]?.double
  }

  private static func index(_ value: JSON?) -> Int? {
    guard let index = value?.int, index >= 0, index < greatestIndex else { return nil }
    return index
  }

  private static func critical(_ section: JSON?) -> Critical? {
    guard let section, section.object != nil else { return nil }
    let entries = (section["layers"]?.array ?? []) + (section["sublayers"]?.array ?? [])
    let parts = entries.compactMap { entry in
      index(entry["layer"]).map { Critical.Part(layer: $0, part: entry["part"]?.string, reason: entry["reason"]?.string ?? "critical") }
    }
    return Critical(parts: parts, factorLimit: section["perplexity_factor_limit"]?.double, divergenceLimit: section["kl_limit"]?.double)
  }

  private static func safe(_ section: JSON?) -> Safe? {
    guard let layers = section?["layers"]?.array else { return nil }
    return Safe(
      layers: layers.compactMap(index), increase: section?["perplexity_increase"]?.double, kl: section?["kl"]?.double,
      evidence: section?["evidence"]?.string ?? "measured together")
  }

  private static func parts(_ entries: [JSON]) -> [Part] {
    var found: [Int: [String: Double]] = [:]
    for entry in entries {
      guard let layer = index(entry["layer"]), let part = entry["part"]?.string, let kl = entry["kl"]?.double else { continue }
      found[layer, default: [:]][part] = kl
    }
    return found.keys.sorted().map { Part(layer: $0, attention: found[$0]?["attention"], mlp: found[$0]?["mlp"]) }
  }

  private static func cells(_ entries: [JSON], column names: [String]) -> [Cell] {
    entries.compactMap { entry in
      guard let layer = index(entry["layer"]), let column = names.lazy.compactMap({ index(entry[$0]) }).first,
        let kl = entry["kl"]?.double
      else { return nil }
      return Cell(layer: layer, column: column, kl: kl)
    }
  }

  /// "layer 3", "layers 3 and 4", "layers 3, 4 and 7"
  static func layers(_ list: [Int]) -> String {
    let names = list.map(String.init)
    guard let last = names.last, names.count > 1 else { return "layer " + names.joined() }
    return "layers " + names.dropLast().joined(separator: ", ") + " and " + last
  }

  /// "block_influence" → "Block influence".
  static func title(_ name: String) -> String {
    let words = name.split(separator: "_").joined(separator: " ")
    return words.prefix(1).uppercased() + words.dropFirst()
  }
}
