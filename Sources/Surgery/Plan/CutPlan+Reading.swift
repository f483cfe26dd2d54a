import Formats
import JSON
import LinearAlgebra

extension CutPlan {
  /// Reads what `json` wrote, and checks it against the model it is for.
  /// - Parameter path: of the file, for messages.
  public init(_ json: JSON, for config: LlamaConfig, path: String) throws(FormatError) {
    let known = ["layers", "attention", "mlp", "heads", "neurons", "channels", "patches", "width"]
    guard let object = json.object else { throw FormatError(path, "cuts", "must be an object") }
    if let other = object.names.first(where: { !known.contains($0) }) {
      throw FormatError(path, "cuts.\(other)", "this version of hoof does not know this kind of cut")
    }
    let reader = IndexReader(path: path)
    let count = config.layers.count
    layers = try reader.set(json["layers"], below: count, "layers")
    attention = try reader.set(json["attention"], below: count, "attention")
    mlp = try reader.set(json["mlp"], below: count, "mlp")
    heads = try reader.sets(json["heads"], "heads", counts: config.layers.map(\.queryHeads))
    neurons = try reader.sets(json["neurons"], "neurons", counts: config.layers.map(\.intermediateSize))
    channels = try reader.set(json["channels"], below: config.hiddenSize, "channels")
    guard let entries = json["patches"].map(\.array) ?? [] else { throw FormatError(path, "cuts.patches", "must be a list") }
    for entry in entries {
      guard let place = entry["layer"]?.int, (0...count).contains(place), let kind = entry["kind"]?.string.flatMap(Patch.Kind.init) else {
        throw FormatError(path, "cuts.patches", "an entry needs a layer from 0 to \(count) and a kind, linear or diag")
      }
      let scales = (entry["scales"]?.array ?? []).compactMap(\.double).map { Float($0) }
      guard scales.count == config.hiddenSize, scales.allSatisfy(\.isFinite) else {
        throw FormatError(path, "cuts.patches", "the patch at layer \(place) needs \(config.hiddenSize) finite scales")
      }
      guard kind == .diag || Hadamard(config.hiddenSize) != nil else {
        throw FormatError(path, "cuts.patches", "\(PatchError.noHadamardMatrix(width: config.hiddenSize))")
      }
      guard patches.updateValue(Patch(kind: kind, scales: scales), forKey: place) == nil else {
        throw FormatError(path, "cuts.patches", "names layer \(place) twice")
      }
    }
    if let value = json["width"] {
      guard let width = value.int, (1...config.hiddenSize).contains(width) else {
        throw FormatError(path, "cuts.width", "must be a whole number from 1 to \(config.hiddenSize)")
      }
      self.width = width
    }
    guard layers.count < count else { throw FormatError(path, "cuts.layers", "a cut must leave at least one of \(count) layers") }
    guard channels.count < config.hiddenSize else { throw FormatError(path, "cuts.channels", "a cut must leave at least one channel") }
  }
}

/// Index lists of a plan.
private struct IndexReader {
  let path: String

  func set(_ json: JSON?, below count: Int, _ field: String) throws(FormatError) -> Set<Int> {
    guard let json else { return [] }
    guard let list = json.array else { throw FormatError(path, "cuts.\(field)", "must be a list of indices") }
    var indices: Set<Int> = []
    for value in list {
      guard let index = value.int, (0..<count).contains(index) else {
        throw FormatError(path, "cuts.\(field)", "holds \(value.text()); indices are 0 to \(count - 1)")
      }
      guard indices.insert(index).inserted else { throw FormatError(path, "cuts.\(field)", "names \(index) twice") }
    }
    return indices
  }

  func sets(_ json: JSON?, _ field: String, counts: [Int]) throws(FormatError) -> [Int: Set<Int>] {
    guard let json else { return [:] }
    guard let object = json.object else { throw FormatError(path, "cuts.\(field)", "must be an object of lists, by layer") }
    var sets: [Int: Set<Int>] = [:]
    for (name, list) in object.members {
      guard let layer = Int(name), counts.indices.contains(layer), String(layer) == name else {
        throw FormatError(path, "cuts.\(field)", "there is no layer '\(name)'")
      }
      sets[layer] = try set(list, below: counts[layer], "\(field).\(name)")
    }
    return sets
  }
}
