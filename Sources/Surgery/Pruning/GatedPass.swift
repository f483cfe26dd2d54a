import TensorCore
import Training
import Transformer

/// KL(full ‖ gated) over some prompts, and how it changes with the gate of each layer, where x ← g·layer(x) + (1 - g)·x: a gate of 1 is the
/// whole layer, one of 0 leaves it out exactly as a cut does (behind a layer of an already cut model, x is what passes it by).
struct GatedPass {
  /// Mean over all positions, nats.
  let divergence: Double
  /// Of that mean, by layer.
  let slopes: [Double]

  /// The full model's pass, and three of the layers from the first one that is not wide open: forward, again and back. One layer's activations
  /// and one residual stream per layer exist at a time.
  /// - Parameter gates: of every layer.
  init(_ model: Llama, _ group: PromptGroup, gates: [Double], rowsPerChunk: Int) throws(BackendError) {
    let (backend, count) = (model.backend, gates.count)
    precondition(count == model.layers.count, "gated pass: \(count) gates for \(model.layers.count) layers")
    let first = GatedPass.first(gates)
    let teacher = try Teacher(model).read(group.ids, group.layout, streams: [first])
    // Row l is the gate of layer l, row n + l what it leaves of the stream that passes by.
    let shares = try Tensor((gates + gates.map { 1 - $0 }).map { Float($0) }, rows: 2 * count, columns: 1, on: backend)
    let (through, past) = ((0..<count).map { shares.rows($0..<$0 + 1) }, (count..<2 * count).map { shares.rows($0..<$0 + 1) })
    let gradients = Gradients(of: through + past)
    let tape = Tape(into: gradients)
    var x = tape.parameter(teacher.streams[first]!)
    for layer in model.layers[first...] {
      let index = layer.index
      x = try tape.checkpoint(x) { (x, tape) throws(BackendError) in
        let x = index == first ? x : try layer.enter(x, in: tape)
        let kept = try tape.mask(layer(x, group.layout, in: tape), by: tape.parameter(through[index]))
        return try tape.sum(kept, tape.mask(layer.bypass(x, in: tape), by: tape.parameter(past[index])))
      }
    }
    // Every position counts, as in a search; what its next token is does not matter.
    let losses = try tape.distillation(
      of: model.finish(x, in: tape), head: tape.parameter(model.head), teacher: teacher, targets: Array(repeating: 0, count: group.rows),
      loss: Distillation.usualLoss, scale: 1 / Float(group.rows), rowsPerChunk: rowsPerChunk)
    try tape.backward()
    divergence = try losses.divergences.floats().reduce(0) { $0 + Double($1) } / Double(group.rows)
    var slopes = [Double](repeating: 0, count: count)
    for index in first..<count { slopes[index] = try gradients.value(of: through[index]) - gradients.value(of: past[index]) }
    self.slopes = slopes
  }

  /// The first layer whose gate is not wide open; what lies before it is the full model's.
  static func first(_ gates: [Double]) -> Int { gates.firstIndex { $0 < open } ?? gates.count - 1 }

  /// A gate that lets through more than this is not told from an open one in float32.
  private static let open = 1 - 1e-6
}

extension Gradients {
  /// Of a single number.
  fileprivate func value(of parameter: Tensor) throws(BackendError) -> Double {
    guard let gradient = self[parameter] else { return 0 }
    return Double(try gradient.floats()[0])
  }
}
