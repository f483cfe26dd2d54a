import Formats
import TensorCore
import TensorTesting
import Training
import Transformer

extension Adapter {
  /// Fills A and B with uniform numbers, so that both have gradients and the update is a good part of the product it is added to.
  func scramble(seed: UInt64 = 5) throws {
    var random = RandomGenerator(seed: seed)
    for parameter in parameters {
      let value = parameter.value
      let deviation = 0.4 / Float(value.columns).squareRoot()
      try value.upload((0..<value.shape.count).map { _ in random.unit() * deviation })
      if let master = parameter.master { master.backend.copy(master, into: parameter.tensor) }
    }
  }

  /// Gradients of all parameters, in their order.
  func gradients(
    _ batch: Batch, _ model: Llama, checkpointed: Bool = false, dropout: DropoutStream? = nil
  ) throws -> (loss: Double, gradients: [Tensor]) {
    let gradients = Gradients(of: parameters.map(\.tensor))
    let loss = try batch.differentiate(model, into: gradients, checkpointed: checkpointed, adapter: self, dropout: dropout)
    return (
      loss,
      try parameters.map { parameter in
        guard let gradient = gradients[parameter.tensor] else { throw BackendError.unavailable(reason: "no gradient of \(parameter.name)") }
        return gradient
      }
    )
  }
}

extension Llama {
  /// Logits of the packed sequences with the adapter, [N, V].
  func logits(_ batch: Batch, with adapter: Adapter?) throws -> [Float] {
    let layout = try PackedLayout(lengths: batch.sequences.map(\.count), on: backend)
    let ids = try Tensor(Array(batch.sequences.joined()), on: backend)
    let tape = Tape(into: Gradients(of: []), adapter: adapter)
    return try hidden(ids, layout, in: tape).tensor.linear(head).floats()
  }
}

extension LlamaConfig {
  /// Rows of 256, a whole q4_K block.
  static var wide: LlamaConfig {
    var config = RandomModel.tiny
    config.hiddenSize = 256
    config.headDim = 64
    config.layers = Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 256), count: 2)
    return config
  }
}
