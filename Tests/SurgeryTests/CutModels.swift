import BackendCPU
import Formats
import Glibc
import Surgery
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Transformer

/// A model to cut, what it says about a few texts, and random cuts.
struct CutModel {
  let source: ModelSource
  let model: Llama
  let texts: [[Int32]]
  private let folder: TemporaryFolder

  /// - Parameter withMaps: gives it patches and shortcuts of every kind, as earlier cuts leave them.
  init(_ name: String, withMaps: Bool = false, on backend: any ComputeBackend = CPUBackend()) throws {
    folder = try TemporaryFolder()
    let original = try ModelSource.open(path: SharedData.path("models/\(name)"))
    if withMaps {
      let path = folder.file("maps.hoof")
      try ModelImport(original, rebuilt: .init(config: Self.mapped(original.config)) { Self.rows($0, of: original) })
        .write(to: path, threads: 2)
      source = try ModelSource.open(path: path)
    } else {
      source = original
    }
    model = try Llama(source, on: backend)
    let prompts = ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
    texts = prompts[0..<3].map { Array($0.prefix(40)) }
  }

  /// Both kinds of patches, before a layer and before the final norm, and shortcuts of either sublayer.
  private static func mapped(_ config: LlamaConfig) -> LlamaConfig {
    var config = config
    config.layers[1].patch = .diagonal
    config.layers[2].attentionShortcut = true
    config.layers[2].mlpShortcut = true
    config.layers[3].patch = .linear
    config.layers[3].mlpShortcut = true
    config.finalPatch = .linear
    return config
  }

  /// Maps are random and near the identity, everything else is the original's.
  private static func rows(_ name: String, of source: ModelSource) -> RowMaker {
    if let stored = source.tensors[name] { return { $0.flatMap { stored.floats(row: $0) } } }
    let width = source.config.hiddenSize
    var generator = RandomGenerator(seed: UInt64(CRC32C.sum(Array(name.utf8))))
    let isDiagonal = name == TensorName.layer(1, .patch)
    let noise = (0..<(isDiagonal ? width : width * width)).map { _ in generator.unit() * 0.3 / Float(width).squareRoot() }
    return { rows in
      rows.flatMap { row in (0..<width).map { noise[row * width + $0] + (isDiagonal || row == $0 ? 1 : 0) } }
    }
  }

  /// The cut model in memory, and the same out of a file.
  func cut(_ plan: CutPlan, type: DType? = nil) throws -> (memory: Llama, file: Llama, source: ModelSource) {
    let plan = try ModelImport(source, matrixType: type, cut: plan.cut(of: source.config, method: "test"))
    let path = folder.file("cut\(folder.names().count).hoof")
    try plan.write(to: path, threads: 3)
    let written = try ModelSource.open(path: path)
    return (try Llama(plan, on: model.backend, sharing: model), try Llama(written, on: model.backend), written)
  }

  func answer(of other: Llama) throws -> Answer {
    try answer(head: other.head) { ids, layout throws(BackendError) in try other.hidden(ids, layout, in: Eager()) }
  }

  func answer(bypassing plan: CutPlan) throws -> Answer {
    let bypass = try Bypass(model, plan)
    return try answer(head: model.head, hidden: bypass.hidden)
  }

  func answer(head: Tensor, hidden: (Tensor, PackedLayout) throws(BackendError) -> Tensor) throws -> Answer {
    let layout = try PackedLayout(lengths: texts.map(\.count), on: model.backend)
    let ids = try Tensor(Array(texts.joined()), on: model.backend)
    return Answer(try hidden(ids, layout).linear(head).floats(), texts, vocabulary: model.config.vocabularySize)
  }
}

/// Every logit of a few texts, and their perplexity, computed from them in float64.
struct Answer: Equatable {
  let logits: [Float]
  let perplexity: Double

  init(_ logits: [Float], _ texts: [[Int32]], vocabulary: Int) {
    self.logits = logits
    var (loss, count, row) = (0.0, 0, 0)
    for text in texts {
      for (place, _) in text.enumerated() {
        defer { row += 1 }
        guard place + 1 < text.count else { continue }
        let values = logits[row * vocabulary..<(row + 1) * vocabulary].map(Double.init)
        let most = values.max()!
        loss += log(values.reduce(0) { $0 + exp($1 - most) }) + most - values[Int(text[place + 1])]
        count += 1
      }
    }
    perplexity = exp(loss / Double(count))
  }

  /// The greatest difference of two logits relative to the greatest logit: a soft-max feels differences, not ratios, of logits, and those
  /// near zero have no relative precision to speak of.
  func error(from expected: Answer) -> Double {
    guard logits.count == expected.logits.count else { return .infinity }
    let worst = zip(logits, expected.logits).reduce(Float(0)) { max($0, $1.0.isNaN ? .infinity : abs($1.0 - $1.1)) }
    return Double(worst / expected.logits.reduce(0) { max($0, abs($1)) })
  }

  func expectEqual(_ expected: Answer, _ comment: Comment, within limit: Double = 1e-5, location: SourceLocation = #_sourceLocation) {
    #expect(error(from: expected) <= limit, comment, sourceLocation: location)
    #expect(relativeError(perplexity, expected.perplexity) <= limit, comment, sourceLocation: location)
  }
}

/// Random parts of a model.
struct RandomCuts {
  var generator: RandomGenerator

  enum Kind: CaseIterable, Sendable { case layers, attention, mlp, headGroups, headsOfEachGroup, neurons, channels }

  init(seed: UInt64) { generator = RandomGenerator(seed: seed) }

  mutating func sample(_ count: Int, of all: Int) -> Set<Int> { Set((0..<all).shuffled(using: &generator).prefix(count)) }

  /// A cut of one kind; nothing where the model has too little of it.
  mutating func plan(_ kind: Kind, of config: LlamaConfig) -> CutPlan {
    var plan = CutPlan()
    let count = config.layers.count
    let layer = Int.random(in: 0..<count, using: &generator)
    let size = config.layers[layer]
    switch kind {
    case .layers: if count > 2 { plan.layers = sample(Int.random(in: 1..<count - 1, using: &generator), of: count) }
    case .attention: plan.attention = sample(min(2, count - 1), of: count)
    case .mlp: plan.mlp = sample(min(2, count - 1), of: count)
    case .headGroups:
      guard size.keyHeads > 1 else { break }
      let share = size.queryHeads / size.keyHeads
      plan.heads[layer] = Set(
        sample(Int.random(in: 1..<size.keyHeads, using: &generator), of: size.keyHeads).flatMap {
          $0 * share..<($0 + 1) * share
        })
    case .headsOfEachGroup:
      guard size.keyHeads > 0, size.queryHeads > size.keyHeads else { break }
      let share = size.queryHeads / size.keyHeads
      plan.heads[layer] = Set((0..<size.keyHeads).flatMap { group in sample(1, of: share).map { group * share + $0 } })
    case .neurons:
      for layer in sample(2, of: count) where config.layers[layer].intermediateSize > 1 {
        let all = config.layers[layer].intermediateSize
        plan.neurons[layer] = sample(Int.random(in: 1..<max(2, all / 4), using: &generator), of: all)
      }
    case .channels: plan.channels = sample(Int.random(in: 1..<max(2, config.hiddenSize / 4), using: &generator), of: config.hiddenSize)
    }
    return plan
  }

  /// A cut of several kinds at once that leaves at least one layer.
  mutating func mixture(of config: LlamaConfig) -> CutPlan {
    while true {
      var plan = CutPlan()
      for kind in Kind.allCases where Bool.random(using: &generator) { plan = plan.joined(with: self.plan(kind, of: config)) }
      // Two cuts of the same layer's heads would not add up to a valid one.
      let isEven = plan.heads.allSatisfy { layer, gone in
        let share = config.layers[layer].queryHeads / max(1, config.layers[layer].keyHeads)
        let counts = (0..<config.layers[layer].keyHeads).map { group in
          (group * share..<(group + 1) * share).filter { !gone.contains($0) }.count
        }
        return Set(counts.filter { $0 > 0 }).count <= 1
      }
      if isEven, !plan.isEmpty, !plan.normalized(for: config).keptLayers(of: config).isEmpty { return plan }
    }
  }
}
