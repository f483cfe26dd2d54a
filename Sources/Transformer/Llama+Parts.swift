extension Llama {
  /// The model without some of its parts, over the same weights: layers keep their indices, and whatever is out adds nothing to the residual
  /// stream. A layer that is out still lets the stream through its patch and shortcuts.
  public func without(layers gone: Set<Int> = [], attention: Set<Int> = [], mlp: Set<Int> = []) -> Llama {
    if gone.isEmpty, attention.isEmpty, mlp.isEmpty { return self }
    var config = config
    let left = layers.map { layer in
      let hasAttention = !gone.contains(layer.index) && !attention.contains(layer.index)
      let hasMLP = !gone.contains(layer.index) && !mlp.contains(layer.index)
      if !hasAttention { (config.layers[layer.index].queryHeads, config.layers[layer.index].keyHeads) = (0, 0) }
      if !hasMLP { config.layers[layer.index].intermediateSize = 0 }
      return DecoderLayer(
        index: layer.index, attention: hasAttention ? layer.attention : nil, mlp: hasMLP ? layer.mlp : nil, patch: layer.patch,
        attentionShortcut: layer.attentionShortcut, mlpShortcut: layer.mlpShortcut)
    }
    return Llama(config: config, embedding: embedding, layers: left, finalPatch: finalPatch, finalNorm: finalNorm, head: head)
  }
}
