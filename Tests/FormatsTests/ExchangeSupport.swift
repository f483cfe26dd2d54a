import BackendCPU
import Formats
import TensorCore
import TestSupport
import Transformer

/// What models say, for comparing one with what it was exported as.
enum Exchanged {
  static let texts: [[Int32]] = [[1, 5, 9, 40, 41, 42, 7, 7, 90], [1, 3, 8, 80, 2], [60]]

  static func logits(_ source: ModelSource, _ texts: [[Int32]] = texts) throws -> [Float] {
    try Llama(source, on: CPUBackend(threads: 2)).logits(texts).flatMap { try $0.floats() }
  }

  /// The greatest difference relative to the greatest logit.
  static func error(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count, let most = b.map(abs).max() else { return .infinity }
    return zip(a, b).reduce(0) { max($0, $1.0.isNaN ? .infinity : abs($1.0 - $1.1)) } / most
  }

  /// Uneven in every way that a cut leaves: fewer neurons, fewer key heads, fewer heads for each, no attention, no MLP, nothing at all.
  static func unevenCut(of config: LlamaConfig) -> ModelImport.Cut {
    .init(
      keepLayers: Array(config.layers.indices), keepHeads: [0: [2, 3], 1: [0, 3], 3: []],
      keepNeurons: [0: Array(3..<99), 2: [], 3: Array(0..<64), 4: []], method: "uneven")
  }

  /// Six layers, of which one loses everything.
  static var config: LlamaConfig {
    var config = SmallModels.config
    config.layers += config.layers[..<2]
    return config
  }

  static func uneven(_ type: DType? = nil, hidden: Int = 64, tied: Bool = true) throws -> (source: ModelSource, folder: TemporaryFolder) {
    var config = config
    (config.hiddenSize, config.tiedEmbeddings) = (hidden, tied)
    let folder = try SmallModels.folder(config, .f32, seed: 5)
    var cut = unevenCut(of: config)
    cut.keepHeads[4] = []
    try ModelImport(ModelSource.open(path: folder.path), matrixType: type, cut: cut).write(to: folder.file("cut.hoof"), threads: 2)
    return (try ModelSource.open(path: folder.file("cut.hoof")), folder)
  }

  static func refusal(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }
}
