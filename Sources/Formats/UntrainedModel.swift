import Glibc
import TensorCore

/// A model of which there is no more than a config and a tokenizer: its weights are drawn at random, as transformers draws those of a new
/// LlamaForCausalLM: matrices and embedding normal with deviation `initializer_range` (0.02 unless config.json says), norms 1.
public struct UntrainedModel: Sendable {
  /// Without tensors.
  public let source: ModelSource
  /// SHA-256 of all that determines the weights but the seed.
  public let identity: String
  private let deviation: Double

  /// - Parameters:
  ///   - configPath: as transformers writes config.json.
  ///   - tokenizerPath: a tokenizer.json; the chat template is that of the settings beside it, if there are any.
  public init(configPath: String, tokenizerPath: String) throws(FormatError) {
    let configBytes = try readFile(configPath, limit: Limits.jsonBytes)
    let fields = try Fields(path: configPath, parsing: configBytes)
    let config = try HuggingFaceConfig(fields, generation: nil).config
    deviation = try fields.double("initializer_range", "above 0 and below 10", where: { $0 > 0 && $0 < 10 }) ?? 0.02
    let tokenizer = try readFile(tokenizerPath, limit: Limits.tokenizerBytes)
    let folder = parentFolder(of: tokenizerPath)
    source = ModelSource(
      path: configPath, config: config, tensors: [:], tokenizer: tokenizer, chatTemplate: try HuggingFaceFolder.chatTemplate(in: folder),
      history: [], originalLayers: Array(0..<config.layers.count))
    identity = SHA256.hex(of: configBytes + tokenizer)
  }

  /// The model with the weights that `seed` stands for.
  public func plan(seed: UInt64) throws(FormatError) -> ModelImport {
    let (config, deviation) = (source.config, deviation)
    let shapes = Dictionary(uniqueKeysWithValues: config.tensorShapes.map { ($0.name, $0.shape) })
    return try ModelImport(
      source,
      rebuilt: .init(config: config) { name in
        let (columns, stream) = (shapes[name]!.columns, UntrainedModel.stream(of: name, seed: seed))
        guard !TensorName.isNorm(name) else { return { rows in Array(repeating: 1, count: rows.count * columns) } }
        return { rows in
          (rows.lowerBound * columns..<rows.upperBound * columns).map { Float(deviation * UntrainedModel.normal($0, stream)) }
        }
      })
  }

  /// A number of its own for each tensor.
  private static func stream(of name: String, seed: UInt64) -> UInt64 {
    mixed(seed &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(CRC32C.sum(Array(name.utf8))))
  }

  /// Number `index` of the standard normal ones of `stream`, by Box and Muller's transform.
  private static func normal(_ index: Int, _ stream: UInt64) -> Double {
    func uniform(_ number: Int) -> Double { (Double(mixed(stream &+ UInt64(number + 1) &* 0x9e37_79b9_7f4a_7c15) >> 11) + 0.5) * 0x1p-53 }
    return (-2 * log(uniform(2 * index))).squareRoot() * cos(2 * .pi * uniform(2 * index + 1))
  }

  /// SplitMix64's finaliser.
  private static func mixed(_ number: UInt64) -> UInt64 {
    var z = number
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
