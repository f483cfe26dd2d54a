import Formats
import TensorCore

extension Llama {
  /// Puts a model's tensors on `backend`; memory the backend can read in place stays in the mapped file.
  public init(_ source: ModelSource, on backend: any ComputeBackend) throws(BackendError) {
    let config = source.config
    let loader = TensorLoader(source: source, backend: backend)
    let frequencies = config.ropeFrequencies
    let rope = try Tensor(frequencies, rows: 1, columns: frequencies.count, on: backend)

    self.config = config
    embedding = try loader.matrix(TensorName.embedding)
    finalNorm = try loader.vector(TensorName.finalNorm)
    head = config.tiedEmbeddings ? embedding : try loader.matrix(TensorName.head)
    var layers: [DecoderLayer] = []
    for index in config.layers.indices {
      layers.append(
        DecoderLayer(
          index: index, attention: try loader.attention(index, config, frequencies: rope), mlp: try loader.mlp(index, config)))
    }
    self.layers = layers
  }
}

/// Copies or borrows one tensor at a time.
private struct TensorLoader {
  let source: ModelSource
  let backend: any ComputeBackend

  func attention(_ layer: Int, _ config: LlamaConfig, frequencies: Tensor) throws(BackendError) -> Attention? {
    let sizes = config.layers[layer]
    guard sizes.queryHeads > 0 else { return nil }
    let shape = AttentionShape(
      queryHeads: sizes.queryHeads, keyHeads: sizes.keyHeads, headDim: config.headDim, scale: 1 / Float(config.headDim).squareRoot())
    return Attention(
      norm: try vector(TensorName.layer(layer, .attentionNorm)), query: try matrix(TensorName.layer(layer, .query)),
      key: try matrix(TensorName.layer(layer, .key)), value: try matrix(TensorName.layer(layer, .value)),
      output: try matrix(TensorName.layer(layer, .attentionOutput)), shape: shape, frequencies: frequencies,
      epsilon: Float(config.normEpsilon))
  }

  func mlp(_ layer: Int, _ config: LlamaConfig) throws(BackendError) -> MLP? {
    guard config.layers[layer].intermediateSize > 0 else { return nil }
    return MLP(
      norm: try vector(TensorName.layer(layer, .mlpNorm)), gate: try matrix(TensorName.layer(layer, .gate)),
      up: try matrix(TensorName.layer(layer, .up)), down: try matrix(TensorName.layer(layer, .down)), epsilon: Float(config.normEpsilon))
  }

  /// In the type the backend keeps such weights in; borrowed from the file where that is the stored one.
  func matrix(_ name: String) throws(BackendError) -> Tensor {
    let tensor = try asStored(name)
    let type = backend.weights(storedAs: tensor.dtype)
    return type == tensor.dtype ? tensor : try tensor.copied(as: type)
  }

  /// As stored, when the backend can compute with that type.
  private func asStored(_ name: String) throws(BackendError) -> Tensor {
    guard let stored = source.tensors[name] else { preconditionFailure("loading: the model source has no \(name)") }
    guard backend.stores(stored.dtype) else {
      throw .unavailable(reason: "\(backend.name) cannot hold \(stored.dtype.name) weights; make the model again with --f32")
    }
    let bytes = UnsafeRawBufferPointer(rebasing: stored.file.bytes[stored.range])
    if let address = backend.adopt(bytes) {
      let storage = Storage(borrowing: address, byteCount: bytes.count, from: stored.file, on: backend)
      return Tensor(storage: storage, dtype: stored.dtype, shape: stored.shape)
    }
    let tensor = try Tensor(stored.shape.rows, stored.shape.columns, stored.dtype, on: backend)
    try backend.upload(bytes, into: tensor)
    // The file's pages have been copied; keeping them mapped in would count the weights twice.
    stored.release()
    return tensor
  }

  /// Always f32: norms are small and their precision matters.
  func vector(_ name: String) throws(BackendError) -> Tensor {
    let stored = try asStored(name)
    return stored.dtype == .f32 ? stored : try stored.copied(as: .f32)
  }
}
