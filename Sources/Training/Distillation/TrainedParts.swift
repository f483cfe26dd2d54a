import Formats
import JSON
import TensorCore

/// Which of a model's tensors are trained; all others keep their bytes.
public struct TrainedParts: Sendable, Equatable {
  public enum Scope: Sendable, Equatable {
    case all
    /// The maps that LinearPatch left (arXiv 2505.24680), which a short training brings further than their closed form.
    case patches
    /// All tensors of so many layers on both sides of every cut: "cutoff endpoint tuning" of CLP (arXiv 2510.23652), whose paper counts one.
    case nearCut(layers: Int)
  }

  public var scope: Scope
  /// Names of tensors that stay as they are, `*` for anything.
  public var frozen: [String]

  public init(scope: Scope = .all, frozen: [String] = []) {
    self.scope = scope
    self.frozen = frozen
  }

  /// What a model says about how it was cut.
  public struct Subject: Sendable {
    public let path: String
    public let config: LlamaConfig
    /// For each layer, its index in the uncut model.
    public let originalLayers: [Int]
    /// Layers of the uncut model.
    public let layersBefore: Int

    public init(path: String, config: LlamaConfig, originalLayers: [Int], history: [JSON]) {
      precondition(originalLayers.count == config.layers.count, "trained parts: \(originalLayers) for \(config.layers.count) layers")
      self.path = path
      self.config = config
      self.originalLayers = originalLayers
      // The first cut saw the uncut model.
      layersBefore = max(history.first?["layers_before"]?.int ?? 0, (originalLayers.last ?? -1) + 1)
    }

    public init(_ source: ModelSource) {
      self.init(path: source.path, config: source.config, originalLayers: source.originalLayers, history: source.history)
    }

    /// Where something is missing, as the place between layers p-1 and p of this model: 0 is before the first, the number of layers behind
    /// the last. An attention sublayer that was cut leaves a gap before its layer, an MLP one behind it.
    var cuts: [Int] {
      let layers = config.layers
      var places = Set(
        layers.indices.flatMap { layer in
          (layers[layer].queryHeads == 0 ? [layer] : []) + (layers[layer].intermediateSize == 0 ? [layer + 1] : [])
        })
      for (place, original) in (originalLayers + [layersBefore]).enumerated() {
        if original != (place == 0 ? 0 : originalLayers[place - 1] + 1) { places.insert(place) }
      }
      return places.sorted()
    }
  }

  /// The names of the tensors that are trained. A tied head is the embedding.
  /// - Throws: `FormatError` that names the model, when nothing is there to be trained or a frozen name fits no tensor.
  public func names(of subject: Subject) throws(FormatError) -> Set<String> {
    let all = subject.config.tensorShapes.map(\.name)
    var names = Set(try chosen(all, of: subject))
    for pattern in frozen {
      let matches = all.filter { Glob(pattern).matches($0) }
      if matches.isEmpty { throw FormatError(subject.path, nil, TrainedParts.noMatch(pattern, in: subject.config)) }
      names.subtract(matches)
    }
    if names.isEmpty { throw FormatError(subject.path, nil, "everything that could be trained is frozen; freeze less") }
    return names
  }

  private func chosen(_ all: [String], of subject: Subject) throws(FormatError) -> [String] {
    switch scope {
    case .all: return all
    case .patches:
      let patches = all.filter(TrainedParts.isPatch)
      if patches.isEmpty {
        throw FormatError(
          subject.path, nil, "it has no patch to train; 'hoof prune --patch linear' cuts a model and puts patches where layers went")
      }
      return patches
    case .nearCut(let count):
      let cuts = subject.cuts
      if cuts.isEmpty {
        throw FormatError(subject.path, nil, "no layer or sublayer was cut from it, so none is near a cut; train all of it")
      }
      let (layers, last) = (Set(cuts.flatMap { $0 - count..<$0 + count }), subject.config.layers.count)
      return all.filter { name in
        // What stands behind the last layer's cut is the final patch.
        if name == TensorName.finalPatch { return cuts.contains(last) }
        return TrainedParts.layer(of: name).map(layers.contains) ?? false
      }
    }
  }

  private static func isPatch(_ name: String) -> Bool { TensorName.isResidualMap(name) && name.hasSuffix("patch.weight") }

  /// "model.layers.12.mlp.up_proj.weight" → 12
  private static func layer(of name: String) -> Int? {
    let parts = name.split(separator: ".")
    return parts.count > 2 && parts[1] == "layers" ? Int(parts[2]) : nil
  }

  private static func noMatch(_ pattern: String, in config: LlamaConfig) -> String {
    if config.tiedEmbeddings, Glob(pattern).matches(TensorName.head) {
      return "'\(pattern)' names the head, which is the embedding here: freeze \(TensorName.embedding)"
    }
    return "no tensor has a name like '\(pattern)'; 'hoof inspect' lists them"
  }
}

/// A pattern over names: `*` stands for any number of any characters, everything else for itself.
struct Glob {
  private let pieces: [[UInt8]]

  init(_ pattern: String) { pieces = pattern.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init) }

  func matches(_ name: String) -> Bool {
    var rest = Array(name.utf8)[...]
    guard rest.starts(with: pieces[0]) else { return false }
    if pieces.count == 1 { return rest.count == pieces[0].count }
    rest = rest.dropFirst(pieces[0].count)
    // The earliest place of each piece leaves most for those behind it; the last one has to end the name.
    for piece in pieces[1..<pieces.count - 1] {
      guard let start = rest.indices.first(where: { rest[$0...].starts(with: piece) }) else {
        if piece.isEmpty { continue }
        return false
      }
      rest = rest[(start + piece.count)...]
    }
    let last = pieces[pieces.count - 1]
    return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
  }
}
