import JSON

extension ModelImport {
  /// What stays of a model, and what the file's history says about it. All indices are the source's, in any order.
  public struct Cut: Sendable {
    public var keepLayers: [Int]
    /// For a layer that stays: its query heads that stay, as many in each key head's group or none. A group without any goes with its key
    /// head; no heads at all cut the attention sublayer. Layers that are not named keep all.
    public var keepHeads: [Int: [Int]]
    /// For a layer that stays: its MLP neurons that stay; none cuts the MLP sublayer. Layers that are not named keep all.
    public var keepNeurons: [Int: [Int]]
    /// Columns of the residual stream that stay; nil for all. Norms go on dividing by the whole width, so that the model equals the source
    /// with the other columns zero everywhere.
    public var keepChannels: [Int]?
    /// Applied to the residual stream before the layer of this index, whether it stays or not, or before the final norm (the number of
    /// layers); after whatever patch the source has there already. Where matrices are f32, one that no layer stands before goes into the
    /// embedding's rows (unless they are the head's too), and one behind a sublayer with a shortcut into that and the sublayer's output.
    public var patches: [Int: Patch]
    public var method: String
    /// More for the history: fingerprints of the report and of the calibration texts.
    public var details: JSON.Object

    /// What the residual stream x [N, C] is multiplied with.
    public enum Patch: Sendable {
      /// x ⊙ d
      case diagonal([Float])
      /// x·Wᵀ, W [C, C]
      case linear(RowMaker)
    }

    public init(
      keepLayers: [Int], keepHeads: [Int: [Int]] = [:], keepNeurons: [Int: [Int]] = [:], keepChannels: [Int]? = nil,
      patches: [Int: Patch] = [:], method: String, details: JSON.Object = [:]
    ) {
      self.keepLayers = keepLayers
      self.keepHeads = keepHeads
      self.keepNeurons = keepNeurons
      self.keepChannels = keepChannels
      self.patches = patches
      self.method = method
      self.details = details
    }

    /// The entry for a file's history.
    /// - Parameters:
    ///   - config: of the model that is left.
    ///   - layers: the source's layers that stay, ascending.
    func history(_ config: LlamaConfig, layers: [Int], of source: ModelSource) -> JSON {
      var entry: JSON.Object = ["method": .string(method)]
      for (name, value) in details.members { entry[name] = value }
      entry["layers_before"] = .int(source.config.layers.count)
      entry["kept_layers"] = .array(layers.map { .int($0) })
      for (name, kept) in [("kept_heads", keepHeads), ("kept_neurons", keepNeurons)] where !kept.isEmpty {
        // How many of each layer, by its index before this cut; the lists are the plan's.
        var counts: JSON.Object = [:]
        for (layer, indices) in kept.sorted(by: { $0.key < $1.key }) { counts[String(layer)] = .int(indices.count) }
        entry[name] = .object(counts)
      }
      if config.hiddenSize != source.config.hiddenSize {
        entry["hidden_size_before"] = .int(source.config.hiddenSize)
        entry["hidden_size"] = .int(config.hiddenSize)
      }
      if !patches.isEmpty { entry["patched_layers"] = .array(patches.keys.sorted().map { .int($0) }) }
      entry["original_layers"] = .array(layers.map { .int(source.originalLayers[$0]) })
      return .object(entry)
    }
  }
}
