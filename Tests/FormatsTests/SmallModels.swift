import Formats
import TensorCore
import TestSupport

/// Small made-up models, and how tests read weights.
enum SmallModels {
  static let config = LlamaConfig(
    hiddenSize: 64, headDim: 16, vocabularySize: 96, contextLength: 128, normEpsilon: 1e-5, ropeTheta: 10000, tiedEmbeddings: true,
    bosToken: 1, eosTokens: [2, 3], layers: Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 172), count: 4))

  static var untied: LlamaConfig {
    var config = config
    config.tiedEmbeddings = false
    return config
  }

  static func folder(_ config: LlamaConfig = config, _ dtype: DType = .f32, seed: UInt64 = 1, shards: Int = 1) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try RandomModel.write(config: config, dtype: dtype, seed: seed, to: folder.path, shards: shards)
    return folder
  }

  /// The message of the error that opening `path` throws.
  static func refusal(_ path: String) -> String {
    do {
      _ = try ModelSource.open(path: path)
      return "opened without an error"
    } catch { return error.description }
  }
}

extension StoredTensor {
  /// f32, f16 or bf16 values, widened here and not by the code under test.
  var values: [Float] {
    (0..<shape.count).map { index in
      switch dtype {
      case .f32: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
      case .f16: Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
      case .bf16: Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
      case .i32, .q8_0, .q4_K: .nan
      }
    }
  }
}
