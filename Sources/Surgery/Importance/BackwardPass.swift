import TensorCore
import Training
import Transformer

/// The loss of a group of prompts taken back through the model one layer at a time: each layer is run again from the residual stream that
/// entered it, so one layer's activations exist beside the residual streams, whatever the depth.
struct BackwardPass {
  private let model: Llama
  let group: PromptGroup
  /// What entered each layer still to come.
  private var residuals: [Tensor]
  /// Of the loss, for the residual stream leaving the last of them, [N, C].
  private var gradient: Tensor

  /// - Parameter scale: the loss is scale · Σ -ln p(next token).
  init(_ model: Llama, _ group: PromptGroup, scale: Float, rowsPerChunk: Int) throws(BackendError) {
    self.model = model
    self.group = group
    var residuals = try PrefixPass(model, group).residuals
    let tape = Tape(into: Gradients(of: []))
    let leaving = tape.input(residuals.removeLast())
    _ = try tape.crossEntropy(
      of: model.finish(leaving, in: tape), head: tape.parameter(model.head), targets: group.targets, scale: scale,
      rowsPerChunk: rowsPerChunk)
    try tape.backward()
    self.residuals = residuals
    gradient = tape.gradient(of: leaving)!
  }

  /// Takes the gradient through the last layer that is left.
  mutating func step(into gradients: Gradients, at points: Set<Site.Point> = [], visitor: Tape.Visitor? = nil) throws(BackendError) {
    let layer = model.layers[residuals.count - 1]
    let tape = Tape(into: gradients, at: points, visitor: visitor)
    let entering = tape.input(residuals.removeLast())
    try tape.seed(layer(entering, group.layout, in: tape), with: gradient)
    try tape.backward()
    gradient = try before(layer, tape.gradient(of: entering)!)
  }

  /// The gradient in front of the layer's patch, which no kept residual stream is: the map is linear, so no value is read.
  private func before(_ layer: DecoderLayer, _ gradient: Tensor) throws(BackendError) -> Tensor {
    guard layer.patch != nil else { return gradient }
    let tape = Tape(into: Gradients(of: []))
    let entering = tape.input(gradient)
    try tape.seed(layer.enter(entering, in: tape), with: gradient)
    try tape.backward()
    return tape.gradient(of: entering)!
  }
}
