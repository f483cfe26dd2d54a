import Formats
import TensorCore

extension Llama {
  /// Puts a model's tensors on `backend`; memory the backend can read in place stays in the mapped file.
  public init(_ source: ModelSource, on backend: any ComputeBackend) throws(BackendError) {
    let loader = TensorLoader(backend: backend) { (name) throws(BackendError) in
      guard let stored = source.tensors[name] else { preconditionFailure("loading: the model source has no \(name)") }
      return try backend.load(stored)
    }
    try self.init(source.config, loader)
  }

  /// The model that `plan` would write, without the file: with the very same weights, quantised as planned.
  /// - Parameter base: the plan's source, on the same backend, if it is loaded: what the plan leaves as it is, is shared with it.
  /// - Throws: `BackendError` for the device, `FormatError` for weights that the wanted type cannot hold.
  public init(_ plan: ModelImport, on backend: any ComputeBackend, sharing base: Llama? = nil) throws {
    try self.init(plan, on: backend, sharing: base, own: nil)
  }

  /// - Parameter own: which tensors get memory of their own, and who hears of them.
  init(_ plan: ModelImport, on backend: any ComputeBackend, sharing base: Llama? = nil, own: OwnTensors?) throws {
    let items = Dictionary(uniqueKeysWithValues: plan.items.map { ($0.name, $0) })
    let shared = base?.tensorsByName ?? [:]
    var failure: FormatError?
    let loader = TensorLoader(backend: backend, own: own) { (name) throws(BackendError) in
      guard let item = items[name] else { preconditionFailure("loading: the plan has no \(name)") }
      if let copied = item.copied {
        if let tensor = shared[copied.name] { return tensor }
        if let own, own.type(item.name) == nil, let tensor = own.shared?.tensor(equalTo: copied) { return tensor }
        return try backend.load(copied)
      }
      let bytes: [UInt8]
      do throws(FormatError) { bytes = try plan.bytes(of: item) } catch {
        failure = error
        throw .unavailable(reason: "\(error)")
      }
      return try backend.load(bytes, as: item.dtype, item.shape)
    }
    do throws(BackendError) { try self.init(plan.config, loader) } catch { throw failure ?? error }
  }

  init(_ config: LlamaConfig, _ loader: TensorLoader) throws(BackendError) {
    let frequencies = config.ropeFrequencies
    let rope = try Tensor(frequencies, rows: 1, columns: frequencies.count, on: loader.backend)
    self.config = config
    embedding = try loader.matrix(TensorName.embedding)
    finalPatch = try loader.map(TensorName.finalPatch, config.finalPatch)
    finalNorm = try loader.vector(TensorName.finalNorm)
    head = config.tiedEmbeddings ? embedding : try loader.matrix(TensorName.head)
    var layers: [DecoderLayer] = []
    for (index, layer) in config.layers.enumerated() {
      layers.append(
        DecoderLayer(
          index: index, attention: try loader.attention(index, config, frequencies: rope), mlp: try loader.mlp(index, config),
          patch: try loader.map(TensorName.layer(index, .patch), layer.patch),
          attentionShortcut: layer.attentionShortcut ? try loader.residualMatrix(TensorName.layer(index, .attentionShortcut)) : nil,
          mlpShortcut: layer.mlpShortcut ? try loader.residualMatrix(TensorName.layer(index, .mlpShortcut)) : nil))
    }
    self.layers = layers
  }

  /// The matrices and norms as they lie on the device; maps of the residual stream are not among them.
  var tensorsByName: [String: Tensor] {
    var tensors = [TensorName.embedding: embedding, TensorName.finalNorm: finalNorm]
    if !config.tiedEmbeddings { tensors[TensorName.head] = head }
    for layer in layers {
      let parts: [(TensorName.Part, Tensor?)] = [
        (.attentionNorm, layer.attention?.norm), (.query, layer.attention?.query), (.key, layer.attention?.key),
        (.value, layer.attention?.value), (.attentionOutput, layer.attention?.output), (.mlpNorm, layer.mlp?.norm),
        (.gate, layer.mlp?.gate), (.up, layer.mlp?.up), (.down, layer.mlp?.down),
      ]
      for (part, tensor) in parts { tensors[TensorName.layer(layer.index, part)] = tensor }
    }
    return tensors
  }
}

/// Gives tensors the types a model wants them in.
struct TensorLoader {
  let backend: any ComputeBackend
  var own: OwnTensors?
  /// As stored, when the backend can compute with that type.
  let stored: (String) throws(BackendError) -> Tensor

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

  func map(_ name: String, _ kind: LlamaConfig.ResidualMap?) throws(BackendError) -> ResidualMap? {
    switch kind {
    case nil: nil
    case .linear: .linear(try residualMatrix(name))
    case .diagonal: .diagonal(try vector(name))
    }
  }

  /// In the type the backend keeps such weights in; borrowed from the file where that is the stored one.
  func matrix(_ name: String) throws(BackendError) -> Tensor {
    let tensor = try stored(name)
    if let own, let type = own.type(name) { return try own.take(name, tensor, as: type) }
    let type = backend.weights(storedAs: tensor.dtype)
    return type == tensor.dtype ? tensor : try tensor.copied(as: type)
  }

  /// As stored: what multiplies the residual stream keeps its precision, as the stream does.
  func residualMatrix(_ name: String) throws(BackendError) -> Tensor {
    if let own, own.type(name) != nil { return try own.take(name, stored(name), as: .f32) }
    return try stored(name)
  }

  /// Always f32: norms are small and their precision matters.
  func vector(_ name: String) throws(BackendError) -> Tensor {
    let tensor = try stored(name)
    if let own, own.type(name) != nil { return try own.take(name, tensor, as: .f32) }
    return tensor.dtype == .f32 ? tensor : try tensor.copied(as: .f32)
  }
}

extension ComputeBackend {
  /// Borrowed from the mapped file where this backend can, else uploaded.
  func load(_ stored: StoredTensor) throws(BackendError) -> Tensor {
    try checkStores(stored.dtype)
    let bytes = UnsafeRawBufferPointer(rebasing: stored.file.bytes[stored.range])
    if let address = adopt(bytes) {
      let storage = Storage(borrowing: address, byteCount: bytes.count, from: stored.file, on: self)
      return Tensor(storage: storage, dtype: stored.dtype, shape: stored.shape)
    }
    let tensor = try Tensor(stored.shape.rows, stored.shape.columns, stored.dtype, on: self)
    try upload(bytes, into: tensor)
    // The file's pages have been copied; keeping them mapped in would count the weights twice.
    stored.release()
    return tensor
  }

  fileprivate func load(_ bytes: [UInt8], as dtype: DType, _ shape: Shape) throws(BackendError) -> Tensor {
    try checkStores(dtype)
    let tensor = try Tensor(shape.rows, shape.columns, dtype, on: self)
    try bytes.withUnsafeBytes { bytes in
      Result { () throws(BackendError) in try upload(bytes, into: tensor) }
    }.get()
    return tensor
  }

  private func checkStores(_ dtype: DType) throws(BackendError) {
    guard stores(dtype) else {
      throw .unavailable(reason: "\(name) cannot hold \(dtype.name) weights; make the model again with --f32")
    }
  }
}
