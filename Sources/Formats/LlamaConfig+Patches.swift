import JSON

/// Patches and shortcuts in a .hoof header. They stand apart from the config, because whoever cannot apply one must not run the model
/// without it: a reader that does not know an entry refuses the file.
extension LlamaConfig {
  private static let attention = "attention-shortcut"
  private static let mlp = "mlp-shortcut"

  /// One entry per map, in the order of the forward pass; the final patch has the number of layers as its layer.
  var patchesJSON: JSON {
    var entries: [JSON] = []
    func add(_ layer: Int, _ kind: String) { entries.append(["layer": .int(layer), "kind": .string(kind)]) }
    for (index, layer) in layers.enumerated() {
      if let patch = layer.patch { add(index, patch.rawValue) }
      if layer.attentionShortcut { add(index, LlamaConfig.attention) }
      if layer.mlpShortcut { add(index, LlamaConfig.mlp) }
    }
    if let finalPatch { add(layers.count, finalPatch.rawValue) }
    return .array(entries)
  }

  mutating func addPatches(_ header: Fields) throws(FormatError) {
    for entry in try header.array("patches") ?? [] {
      guard let index = entry["layer"]?.int, (0...layers.count).contains(index), let kind = entry["kind"]?.string else {
        throw header.error("patches", "an entry needs a layer from 0 to \(layers.count) and a kind")
      }
      if let other = entry.object?.names.first(where: { $0 != "layer" && $0 != "kind" }) {
        throw header.error(
          "patches", "this version of hoof does not know '\(other)' of '\(kind)' at layer \(index); a newer one wrote the file")
      }
      let isFinal = index == layers.count
      let isTwice: Bool
      if let map = ResidualMap(rawValue: kind) {
        isTwice = (isFinal ? finalPatch : layers[index].patch) != nil
        if isFinal { finalPatch = map } else { layers[index].patch = map }
      } else if !isFinal, kind == LlamaConfig.attention {
        isTwice = layers[index].attentionShortcut
        layers[index].attentionShortcut = true
      } else if !isFinal, kind == LlamaConfig.mlp {
        isTwice = layers[index].mlpShortcut
        layers[index].mlpShortcut = true
      } else {
        throw header.error("patches", "this version of hoof cannot apply '\(kind)' at layer \(index); a newer one wrote the file")
      }
      if isTwice { throw header.error("patches", "'\(kind)' stands twice at layer \(index)") }
    }
  }
}
