import Formats
import TensorCore

/// Bytes that training takes on a device, known before anything is loaded.
public struct TrainingCost: Sendable, Equatable {
  public var parameters = 0
  /// Trained tensors in memory of their own, frozen ones, and exact values of rounded ones.
  public var trained = 0, frozen = 0, masters = 0
  public var gradients = 0
  public var moments = 0
  /// Of the largest batch, as `StepMemory` cuts it, logits included.
  public var activations = 0

  /// What there is whatever the batch.
  public var state: Int { trained + frozen + masters + gradients + moments }
  public var total: Int { state + activations }

  /// - Parameter frozen: bytes that frozen weights take on the device; 0 where they stay in the mapped file.
  public init(
    _ config: LlamaConfig, training names: Set<String>, frozen: Int, hasMasters: Bool, optimizer: Optimizer.Kind,
    on backend: any ComputeBackend
  ) {
    self.frozen = frozen
    let wide = backend.activations
    for (name, shape) in config.tensorShapes where names.contains(name) {
      let isExact = wide == .f32 || TensorName.isNorm(name) || TensorName.isResidualMap(name)
      parameters += shape.count
      trained += shape.count * (isExact ? 4 : wide.block.bytes)
      if !isExact, hasMasters { masters += 4 * shape.count }
      gradients += 4 * shape.count
      moments += optimizer.bytes(ofMomentsFor: shape)
    }
  }

  /// Of a low-rank adapter beside a frozen model.
  public init(
    _ config: LlamaConfig, adapter options: Adapter.Options, frozen: Int, optimizer: Optimizer.Kind, on backend: any ComputeBackend
  ) {
    self.frozen = frozen
    let wide = backend.weights(storedAs: .f32)
    for layer in config.layers {
      for part in options.targets {
        guard let shape = config.shape(of: part, in: layer) else { continue }
        for shape in [Shape(options.rank, shape.columns), Shape(shape.rows, options.rank)] {
          parameters += shape.count
          trained += shape.count * wide.block.bytes
          if wide != .f32 { masters += 4 * shape.count }
          gradients += 4 * shape.count
          moments += optimizer.bytes(ofMomentsFor: shape)
        }
      }
    }
  }
}

extension Optimizer.Kind {
  /// Of one parameter.
  func bytes(ofMomentsFor shape: Shape) -> Int {
    switch self {
    case .adamw8bit where shape.count >= Optimizer.leastElements: 2 * shape.count + 8 * ((shape.count + 255) / 256)
    case .adamw, .adamw8bit: 8 * shape.count
    }
  }
}
