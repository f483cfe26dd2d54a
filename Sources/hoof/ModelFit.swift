import Formats
import TensorCore
import Terminal

/// Whether a device has room for a model: its weights, and what a pass over a short prompt needs.
struct ModelFit {
  /// Bytes of the device's own memory that the weights take; 0 where they stay in the mapped file.
  let weights: Int
  let workspace: Int
  let free: Int
  private let device: String

  /// A prompt of this many tokens must go through.
  static let rows = 64

  /// - Parameters:
  ///   - left: names of tensors that somebody else counts.
  ///   - beside: bytes of the device's memory that are needed besides.
  init(_ model: ModelSource, on backend: any ComputeBackend, without left: Set<String> = [], beside: Int = 0) {
    var weights = 0
    for stored in model.tensors.values where !left.contains(stored.name) {
      let type = backend.weights(storedAs: stored.dtype)
      let isBorrowed = type == stored.dtype && backend.adopt(UnsafeRawBufferPointer(rebasing: stored.file.bytes[stored.range])) != nil
      if !isBorrowed { weights += type.rowBytes(columns: stored.shape.columns) * stored.shape.rows }
    }
    self.weights = weights + beside
    let config = model.config
    let widest = config.layers.map { 2 * ($0.queryHeads + $0.keyHeads) * config.headDim + 3 * $0.intermediateSize }.max() ?? 0
    workspace = ModelFit.rows * 4 * (2 * config.vocabularySize + (config.layers.count + 4) * config.hiddenSize + widest)
    free = backend.memory().free
    device = String(backend.name.prefix { $0 != " " })
  }

  /// Why the device cannot be used; nil when it can.
  var objection: String? {
    let needed = weights + workspace
    return needed <= free ? nil : "the model needs \(ByteCount(needed)), \(ByteCount(free)) are free on \(device)"
  }
}
