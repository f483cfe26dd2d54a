import TensorCore
import Transformer

/// Builds, for one layer and one group of prompts, the residual streams that leave the layer when parts of it are taken out. The layer's
/// heads are computed once; every change is a block of rows of one batch.
struct LayerInterventions {
  let model: Llama
  let layer: DecoderLayer
  let layout: PackedLayout
  /// Residual stream entering the layer, [N, C].
  let entering: Tensor
  /// Mean contributions for mean ablation; nil zeroes.
  let means: ComponentMeans?
  /// Concatenated heads, the input of the output projection [N, Hq·D]; nil when the attention was cut or nobody needs them.
  private let heads: Tensor?

  init(
    _ model: Llama, layer: Int, _ layout: PackedLayout, entering: Tensor, for components: [Component], means: ComponentMeans?
  ) throws(BackendError) {
    self.model = model
    self.layer = model.layers[layer]
    self.layout = layout
    self.entering = entering
    self.means = means
    let needsHeads = components.contains { component in
      switch component {
      case .layer, .attention: false
      case .mlp, .head, .keyHead: true
      }
    }
    heads = needsHeads ? try self.layer.attention?.heads(entering, layout, layer: layer, in: Eager()) : nil
  }

  /// The batch is made here, so updates are added to it where it lies.
  private var owning: Eager { Eager(ownsStream: true) }

  /// What leaves the layer in each changed model, [k·N, C]. `components` must be sorted with those whose MLP runs first.
  func leaving(_ components: [Component]) throws(BackendError) -> Tensor {
    let rows = entering.rows
    var out = try layer.shortcut(entering, layer.attentionShortcut, in: Eager()).repeated(components.count)
    for (index, component) in components.enumerated() {
      let slot = out.rows(index * rows..<(index + 1) * rows)
      switch component {
      case .layer(let layer), .attention(let layer): addMean(means?.attention[layer], to: slot)
      case .mlp(let layer):
        if let heads, let attention = self.layer.attention { _ = try attention.add(heads, to: slot, layer: layer, in: owning) }
      case .head, .keyHead: break
      }
    }
    try addMaskedHeads(components, to: out)
    let count = components.prefix { $0.runsMLP }.count
    let running = 0..<count * rows
    let hidden = count == 0 ? nil : try layer.mlp?.hidden(out.rows(running), layer: layer.index, in: owning)
    out = try layer.shortcut(out, layer.mlpShortcut, in: owning)
    if let hidden, let mlp = layer.mlp { _ = try mlp.add(hidden, to: out.rows(running), layer: layer.index, in: owning) }
    for index in count..<components.count { addMean(means?.mlp[layer.index], to: out.rows(index * rows..<(index + 1) * rows)) }
    return out
  }

  /// Adds the attention's update with some heads silenced. The mask acts on the input of the output projection, never on its output.
  private func addMaskedHeads(_ components: [Component], to out: Tensor) throws(BackendError) {
    guard let attention = layer.attention, let heads else { return }
    let backend = model.backend
    let rows = entering.rows
    let silenced = components.enumerated().compactMap { index, component in
      component.silencedHeads(attention.shape).map { (index, $0) }
    }
    guard let first = silenced.first?.0 else { return }
    precondition(silenced.map(\.0) == Array(first..<first + silenced.count), "interventions: head changes must be neighbours")
    // One row for each change, all uploaded at once.
    let count = attention.shape.queryHeads
    let masks = try Tensor(
      silenced.flatMap { _, silent in (0..<count).map { silent.contains($0) ? Float(0) : 1 } }, rows: silenced.count, columns: count,
      on: backend)
    let replacements = try means?.headRows(layer.index, silenced.map(\.1), attention.shape)
    let masked = try Tensor(silenced.count * rows, heads.columns, heads.dtype, on: backend)
    for change in silenced.indices {
      let slot = masked.rows(change * rows..<(change + 1) * rows)
      backend.maskGroups(heads, by: masks.rows(change..<change + 1), into: slot)
      if let replacements { backend.add(slot, replacements.rows(change..<change + 1), into: slot) }
    }
    let slots = out.rows(first * rows..<(first + silenced.count) * rows)
    _ = try attention.add(masked, to: slots, layer: layer.index, in: owning)
  }

  private func addMean(_ mean: Tensor?, to slot: Tensor) {
    if let mean { model.backend.add(slot, mean, into: slot) }
  }
}

extension Component {
  /// Query heads that a head or key-head change silences; nil for other changes.
  func silencedHeads(_ shape: AttentionShape) -> Range<Int>? {
    switch self {
    case .head(_, let head): return head..<head + 1
    case .keyHead(_, let group):
      let size = shape.queryHeads / shape.keyHeads
      return group * size..<(group + 1) * size
    case .layer, .attention, .mlp: return nil
    }
  }
}
