import Formats
import JSON
import Surgery
import Terminal

/// An ablation report that a cut is made by: what it suggests, what it measured, and whether it is about the model at hand.
struct MeasuredReport {
  let path: String
  private let json: JSON
  /// SHA-256 of the report.
  private let sum: String

  /// `layers`: how many the model has; a report about another number of them speaks of another model.
  init(at path: String, layers count: Int) throws(CommandError) {
    let bytes = try Input.file(path)
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw CommandError("\(path): \(error)") }
    guard json["format"]?.string == "hoof-ablation" else { throw CommandError("\(path): format: not an ablation report of hoof") }
    guard json["version"]?.int == 1 else { throw CommandError("\(path): version: this hoof reads version 1") }
    if let measured = json["model"]?["layers"]?.int, measured != count {
      throw CommandError("\(path): model.layers: the report is about a model of \(measured) layers, this one has \(count)")
    }
    self.path = path
    sum = SHA256.hex(of: bytes)
  }

  func suggestedDrop() throws(CommandError) -> [Int] {
    guard let suggestion = json["suggested_drop"]?.array else {
      throw CommandError("\(path): suggested_drop: is missing", advice: "hoof ablate --suggest-drop K makes one")
    }
    let layers = suggestion.compactMap(\.int)
    guard layers.count == suggestion.count else {
      throw CommandError("\(path): suggested_drop: holds something that is not a layer's index")
    }
    return layers
  }

  /// For a model's history.
  var details: JSON.Object {
    var details: JSON.Object = ["report": .string(sum)]
    if let fingerprint { details["measured_on"] = .string(fingerprint) }
    if let calibration = calibration?.sha256 { details["calibration"] = .string(calibration) }
    return details
  }

  private var fingerprint: String? { json["model"]?["fingerprint"]?.string }

  /// Whether what the report says holds for this model: it was measured on it, on what it was converted from, on a conversion of it, or on
  /// another conversion of the same.
  func isAbout(_ source: ModelSource) -> Bool {
    let measured = Set([fingerprint, json["model"]?["origin"]?.string].compactMap { $0 })
    if let origin = source.origin, measured.contains(origin) { return true }
    return !measured.isEmpty && measured.contains(source.fingerprint())
  }

  /// Refuses a report of another model.
  func check(_ source: ModelSource, quiet: Bool) throws(CommandError) {
    if !quiet, source.tensors.values.contains(where: { $0.checksum == nil }), source.sizes.bytes > MeasuredReport.slowBytes {
      Output.note(
        "hoof: reading all \(ByteCount(source.sizes.bytes)) of \(source.path.onOneLine) to see whether \(path.onOneLine) is about it")
    }
    guard !isAbout(source) else { return }
    let told = json["model"]?["path"]?.string.map { " (\($0))" } ?? ""
    throw CommandError(
      "\(path): model.fingerprint: the report was made from another model\(told) than \(source.path)",
      advice: "measure this one with hoof ablate, or --force uses the report all the same")
  }

  /// Weights that take a while to read.
  private static let slowBytes = 1 << 30

  /// `scores` of neurons by layer, when the report has them for every layer of the model.
  func neurons(_ score: NeuronScore, of config: LlamaConfig) throws(CommandError) -> [[Double]]? {
    let keys: [NeuronScore: String] = [.meanAbsolute: "mean_abs", .firingRate: "firing_rate"]
    guard let key = keys[score], let entries = json["neurons"]?.array else { return nil }
    var scores: [Int: [Double]] = [:]
    for entry in entries {
      guard let layer = entry["layer"]?.int, let values = entry[key]?.array?.compactMap(\.double) else { continue }
      scores[layer] = values
    }
    return try config.layers.enumerated().map { (layer, sizes) throws(CommandError) in
      guard scores[layer]?.count ?? 0 == sizes.intermediateSize else {
        throw CommandError(
          "\(path): neurons: layer \(layer) has \(scores[layer]?.count ?? 0) values of \(key), the model has \(sizes.intermediateSize) neurons"
        )
      }
      return scores[layer] ?? []
    }
  }

  /// KL of taking out each head and each group, when the report measured all that the wanted choice needs.
  func heads(groups: Bool, of config: LlamaConfig) -> HeadScores? {
    let (section, key) = groups ? ("kv_groups", "kv_group") : ("heads", "head")
    var scores = config.layers.map { [Double?](repeating: nil, count: groups ? $0.keyHeads : $0.queryHeads) }
    for entry in json[section]?.array ?? [] {
      guard let layer = entry["layer"]?.int, scores.indices.contains(layer), let index = entry[key]?.int,
        scores[layer].indices.contains(index)
      else { continue }
      scores[layer][index] = entry["kl"]?.double
    }
    let whole = scores.map { $0.compactMap { $0 } }
    guard zip(whole, scores).allSatisfy({ $0.count == $1.count }) else { return nil }
    return groups ? HeadScores(heads: [], groups: whole) : HeadScores(heads: whole, groups: [])
  }

  /// The texts it was measured on.
  var calibration: (path: String, sha256: String, maxTokens: Int, tokens: Int?)? {
    guard let entry = json["calibration"], let path = entry["path"]?.string, let sum = entry["sha256"]?.string,
      let most = entry["max_tokens"]?.int, most > 0
    else { return nil }
    return (path, sum, most, entry["tokens"]?.int)
  }
}
