import Dispatch
import Glibc
import JSON
import Synchronization
import TensorCore

/// A Hugging Face folder with made-up weights, for tests and for trying sizes that no real model here has.
public enum RandomModel {
  /// Llama 3.2 1B's shape: 1.24 billion weights, tied head.
  public static let llama1B = LlamaConfig(
    hiddenSize: 2048, headDim: 64, vocabularySize: 128_256, contextLength: 131_072, normEpsilon: 1e-5, ropeTheta: 500_000,
    ropeScaling: .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192), tiedEmbeddings: true,
    bosToken: 128_000, eosTokens: [128_001], layers: Array(repeating: .init(queryHeads: 32, keyHeads: 8, intermediateSize: 8192), count: 16)
  )

  /// Llama 3.2 3B's shape: 3.21 billion weights, tied head.
  public static let llama3B = LlamaConfig(
    hiddenSize: 3072, headDim: 128, vocabularySize: 128_256, contextLength: 131_072, normEpsilon: 1e-5, ropeTheta: 500_000,
    ropeScaling: .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192), tiedEmbeddings: true,
    bosToken: 128_000, eosTokens: [128_001], layers: Array(repeating: .init(queryHeads: 24, keyHeads: 8, intermediateSize: 8192), count: 28)
  )

  /// Llama 3.1 8B's shape: 8.03 billion weights.
  public static let llama8B = LlamaConfig(
    hiddenSize: 4096, headDim: 128, vocabularySize: 128_256, contextLength: 131_072, normEpsilon: 1e-5, ropeTheta: 500_000,
    ropeScaling: .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192), tiedEmbeddings: false,
    bosToken: 128_000, eosTokens: [128_001],
    layers: Array(repeating: .init(queryHeads: 32, keyHeads: 8, intermediateSize: 14_336), count: 32)
  )

  /// TinyLlama 1.1B's shape: 1.10 billion weights in 22 layers, a head of its own.
  public static let tinyLlama = LlamaConfig(
    hiddenSize: 2048, headDim: 64, vocabularySize: 32_000, contextLength: 2048, normEpsilon: 1e-5, tiedEmbeddings: false, bosToken: 1,
    eosTokens: [2], layers: Array(repeating: .init(queryHeads: 32, keyHeads: 4, intermediateSize: 5632), count: 22))

  /// Small enough to be made and studied in a moment.
  public static let tiny = LlamaConfig(
    hiddenSize: 64, headDim: 16, vocabularySize: 512, contextLength: 256, tiedEmbeddings: true, bosToken: 256, eosTokens: [257],
    layers: Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 128), count: 3))

  /// Writes `folder` (made when it is not there): normal weights of deviation 0.02, those that write to the residual stream smaller by
  /// sqrt(2·layers) as in GPT-2, norms around 1. The bytes depend on `seed` alone, not on the number of threads.
  /// - Parameters:
  ///   - config: every layer must be alike, because config.json cannot say otherwise.
  ///   - dtype: f32, f16 or bf16.
  ///   - shards: the number of .safetensors files; an index is written from 2 on.
  public static func write(config: LlamaConfig, dtype: DType, seed: UInt64, to folder: String, shards: Int = 1, threads: Int = 2)
    throws(FormatError)
  {
    precondition(dtype.isDense && dtype != .i32 && shards > 0 && threads > 0, "random model: \(dtype.name), \(shards) shards")
    precondition(Set(config.layers.map { [$0.queryHeads, $0.keyHeads, $0.intermediateSize] }).count == 1, "random model: layers differ")
    if mkdir(folder, 0o777) != 0, errno != EEXIST { throw FormatError(folder, nil, "cannot be made: \(systemReason(errno))") }
    try writeJSON(config.huggingFaceJSON(dtype: dtype), to: folder + "/config.json")
    let tensors = config.tensorShapes
    let perShard = (tensors.count + shards - 1) / shards
    var weightMap: JSON.Object = [:]
    for shard in 0..<shards {
      let name = shards == 1 ? "model.safetensors" : "model-\(padded(shard + 1))-of-\(padded(shards)).safetensors"
      let range = min(shard * perShard, tensors.count)..<min((shard + 1) * perShard, tensors.count)
      for index in range { weightMap[tensors[index].name] = .string(name) }
      try writeShard(Array(tensors[range]), config: config, dtype: dtype, seed: seed, path: folder + "/" + name, threads: threads)
    }
    if shards > 1 {
      try writeJSON(["metadata": [:], "weight_map": .object(weightMap)], to: folder + "/model.safetensors.index.json")
    }
  }

  private static func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }

  private static func writeJSON(_ json: JSON, to path: String) throws(FormatError) {
    let bytes = Array(json.text(pretty: true).utf8)
    let output = try OutputFile(path: path, byteCount: bytes.count, replacing: true)
    try output.write(bytes, at: 0)
    try output.commit(synced: false)
  }

  private static let chunk = 1 << 18

  private static func writeShard(
    _ tensors: [(name: String, shape: Shape)], config: LlamaConfig, dtype: DType, seed: UInt64, path: String, threads: Int
  ) throws(FormatError) {
    let writer = try SafetensorsWriter(
      path: path,
      items: tensors.map {
        .init(name: $0.name, dimensions: TensorName.isNorm($0.name) ? [$0.shape.columns] : [$0.shape.rows, $0.shape.columns], dtype: dtype)
      }, replacing: true)
    let chunks = tensors.enumerated().flatMap { index, tensor in
      stride(from: 0, to: tensor.shape.count, by: chunk).map { (index, $0..<min($0 + chunk, tensor.shape.count)) }
    }
    let residual = NormalTable(mean: 0, deviation: 0.02 / Double(2 * config.layers.count).squareRoot(), dtype: dtype)
    let (plain, norms) = (NormalTable(mean: 0, deviation: 0.02, dtype: dtype), NormalTable(mean: 1, deviation: 0.05, dtype: dtype))
    let failure = Mutex<FormatError?>(nil)
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
      var bytes: [UInt8] = []
      while true {
        let job = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard job < chunks.count, failure.withLock({ $0 == nil }) else { return }
        let (index, range) = chunks[job]
        let name = tensors[index].name
        let isResidual = name.hasSuffix(TensorName.Part.attentionOutput.rawValue + ".weight") || name.hasSuffix("down_proj.weight")
        let table = TensorName.isNorm(name) ? norms : isResidual ? residual : plain
        // Every chunk has its own stream, so that the order of the work does not show.
        table.fill(&bytes, count: range.count, stream: seed &+ stream(of: name, from: range.lowerBound))
        do throws(FormatError) {
          try writer.write(bytes, of: index, at: range.lowerBound * dtype.block.bytes)
        } catch {
          failure.withLock { $0 = error }
          return
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    try writer.commit(synced: false)
  }

  /// A number of its own for each place of each tensor.
  private static func stream(of name: String, from start: Int) -> UInt64 {
    UInt64(CRC32C.sum(Array(name.utf8))) << 32 ^ UInt64(start) &* 0x9e37_79b9_7f4a_7c15
  }
}
