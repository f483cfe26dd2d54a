import Formats
import TensorCore
import Transformer

extension Tape {
  /// Activation checkpointing (arXiv 1604.06174): of everything `body` computes only its input is kept, and `backward` runs it again. `body`
  /// has to use the tape and the value it is given, nothing else that is recorded, and do the same each time; so sites in it are visited twice,
  /// and only what is watched the second time sees a gradient.
  public func checkpoint(
    _ x: Variable, _ body: @escaping (_ x: Variable, _ tape: Tape) throws(BackendError) -> Variable
  ) throws(BackendError) -> Variable {
    // Recorded the first time as well: that tells whether anybody wants a gradient through it, and one body's records have to fit anyway.
    let first = piece()
    let out = try body(x.isRecorded ? first.input(x.tensor) : x, first)
    guard out.isRecorded else { return constant(out.tensor) }
    return record(out.tensor) { (tape, dOut) throws(BackendError) in
      let again = tape.piece()
      let input = x.isRecorded ? again.input(x.tensor) : x
      try again.pass(dOut, to: body(input, again).slot)
      try again.backward()
      if let dx = again.gradient(of: input) { try tape.pass(Gradient(tensor: dx, isShared: false), to: x.slot) }
    }
  }

  private func piece() -> Tape {
    Tape(into: gradients, at: visited, adapter: adapter, dropout: dropout, visitor: visitor)
  }
}

extension Llama {
  /// ids [N, 1] → hidden rows the LM head reads, [N, C], keeping one residual stream per layer for `backward`, which computes every layer
  /// once more: a third more work, for the memory of one layer's activations instead of all.
  public func hidden(
    _ ids: Tensor, _ layout: PackedLayout, without removed: Set<Int> = [], checkpointedBy tape: Tape
  ) throws(BackendError) -> Tape.Variable {
    try finish(stream(ids, layout, without: removed, checkpointedBy: tape), in: tape)
  }

  /// The same up to the residual stream that leaves the last layer, [N, C].
  public func stream(
    _ ids: Tensor, _ layout: PackedLayout, without removed: Set<Int> = [], checkpointedBy tape: Tape
  ) throws(BackendError) -> Tape.Variable {
    var x = try embed(ids, in: tape)
    for layer in layers {
      x = try tape.checkpoint(x) { (x, tape) throws(BackendError) in
        let x = try layer.enter(x, in: tape)
        return removed.contains(layer.index) ? try layer.bypass(x, in: tape) : try layer(x, layout, in: tape)
      }
    }
    return x
  }
}
