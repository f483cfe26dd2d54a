import Formats
import Synchronization
import TensorCore
import TensorTesting
import TestSupport
import Transformer

/// Three layers with grouped heads, weights large enough that attention and gates do something, on memory of its own: weights can be changed.
struct SmallModel {
  let model: Llama
  let folder: TemporaryFolder

  /// - Parameter matrixType: the type the file stores matrices in.
  init(on backend: any ComputeBackend, matrixType: DType = .f32, tied: Bool = true, config: LlamaConfig = RandomModel.tiny) throws {
    folder = try TemporaryFolder()
    var config = config
    config.tiedEmbeddings = tied
    try RandomModel.write(config: config, dtype: .f32, seed: 7, to: folder.path)
    let path = folder.file("model.hoof")
    try ModelImport(ModelSource.open(path: folder.path), matrixType: matrixType).write(to: path, threads: 2)
    model = try Llama(ModelSource.open(path: path), on: OwnMemory(backend))
  }

  /// What the model was loaded from.
  var source: ModelSource { get throws { try ModelSource.open(path: folder.file("model.hoof")) } }

  /// Fills every matrix with normal weights of deviation 1.5/√columns, and the embedding with some of 0.3.
  func scramble() throws {
    var random = RandomGenerator(seed: 11)
    func fill(_ matrix: Tensor, deviation: Float) throws {
      let values = (0..<matrix.shape.count).map { _ in random.unit() * deviation }
      try model.backend.copy(Tensor(values, rows: matrix.rows, columns: matrix.columns, on: model.backend), into: matrix)
    }
    for layer in model.layers {
      let attention = [layer.attention?.query, layer.attention?.key, layer.attention?.value, layer.attention?.output]
      for case let matrix? in attention + [layer.mlp?.gate, layer.mlp?.up, layer.mlp?.down] {
        try fill(matrix, deviation: 1.5 / Float(matrix.columns).squareRoot())
      }
    }
    try fill(model.embedding, deviation: 0.3)
  }

  /// Three sequences, one of a single token, with repeated ids.
  static let sequences: [[Int32]] = [[256, 5, 9, 5, 77, 300, 5], [256], [256, 9, 9, 4, 111, 42, 500, 3, 2, 77, 1]]
}

/// Copies weights instead of reading them in the file, and counts the bytes that are in use.
final class OwnMemory: BackendDecorator {
  let base: any ComputeBackend
  private let counts = Mutex((now: 0, most: 0))

  init(_ base: any ComputeBackend) { self.base = base }

  func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? { nil }
  var bytesInUse: Int { counts.withLock { $0.now } }
  var mostBytes: Int { counts.withLock { $0.most } }
  func resetMost() { counts.withLock { $0.most = $0.now } }

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    let address = try base.allocate(byteCount: byteCount)
    counts.withLock {
      $0.now += byteCount
      $0.most = max($0.most, $0.now)
    }
    return address
  }

  func deallocate(_ address: DeviceAddress, byteCount: Int) {
    counts.withLock { $0.now -= byteCount }
    base.deallocate(address, byteCount: byteCount)
  }
}

/// Widens weights while they are loaded: the values of a quantised model, computed in f32.
final class Widened: BackendDecorator {
  let base: any ComputeBackend
  init(_ base: any ComputeBackend) { self.base = base }
  func weights(storedAs dtype: DType) -> DType { .f32 }
}
