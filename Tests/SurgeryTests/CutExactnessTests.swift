import BackendCPU
import Formats
import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// A cut model, in memory and out of its file, says what the uncut one says with the same parts bypassed: 1e-5 in float32, which leaves room
/// for sums that are added in another order and nothing else.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct CutExactnessTests {
  static let models = [("stories260K", false), ("stories260K", true), ("talespin-tiny", false), ("talespin-tiny", true)]

  private func expectExact(_ model: CutModel, _ plan: CutPlan) throws {
    let expected = try model.answer(bypassing: plan)
    let cut = try model.cut(plan)
    let answer = try model.answer(of: cut.memory)
    answer.expectEqual(expected, "\(plan)")
    #expect(try model.answer(of: cut.file) == answer, "the file says something else: \(plan)")
    #expect(expected.error(from: try model.answer(of: model.model)) > 1e-4, "the cut changes nothing: \(plan)")
  }

  @Test("every kind of cut", arguments: RandomCuts.Kind.allCases, models)
  func kinds(kind: RandomCuts.Kind, model: (name: String, withMaps: Bool)) throws {
    let model = try CutModel(model.name, withMaps: model.withMaps)
    for seed in 0..<3 {
      var cuts = RandomCuts(seed: UInt64(seed))
      try expectExact(model, cuts.plan(kind, of: model.source.config))
    }
  }

  @Test("several kinds in one go", arguments: models, 0..<6)
  func mixtures(model: (name: String, withMaps: Bool), seed: Int) throws {
    let model = try CutModel(model.name, withMaps: model.withMaps)
    var cuts = RandomCuts(seed: UInt64(100 + seed))
    try expectExact(model, cuts.mixture(of: model.source.config))
  }

  @Test("two layers, 2 % of the neurons, a key head's group, and an attention sublayer of the larger model")
  func larger() throws {
    let model = try CutModel("talespin-15m")
    var cuts = RandomCuts(seed: 5)
    var plan = CutPlan()
    plan.layers = [3, 6]
    plan.attention = [7]
    plan.heads = [1: [3, 4, 5], 2: [0, 5]]
    for layer in 0..<9 { plan.neurons[layer] = cuts.sample(20, of: 1024) }
    try expectExact(model, plan)
  }

  @Test("the whole of a layer's heads, neurons or sublayers named one by one is the sublayer or the layer")
  func emptied() throws {
    let model = try CutModel("stories260K")
    var plan = CutPlan()
    (plan.heads, plan.neurons, plan.mlp) = ([1: Set(0..<8), 2: Set(0..<8)], [2: Set(0..<172), 3: Set(0..<172)], [4])
    let normal = plan.normalized(for: model.source.config)
    #expect(normal.layers == [2] && normal.attention == [1] && normal.mlp == [3, 4] && normal.heads.isEmpty && normal.neurons.isEmpty)
    try expectExact(model, plan)
    #expect(try CutPlan(plan.json, for: model.source.config, path: "plan") == plan)
  }

  @Test("cutting what is cut already is cutting once", arguments: models, 0..<3)
  func composition(model: (name: String, withMaps: Bool), seed: Int) throws {
    let withMaps = model.withMaps
    let model = try CutModel(model.name, withMaps: withMaps)
    let config = model.source.config
    var cuts = RandomCuts(seed: UInt64(200 + seed))
    var first = cuts.mixture(of: config)
    // A channel keeps its neighbours from mixing; those that stay must not depend on the order either.
    if seed == 0 { first.channels = cuts.sample(3, of: config.hiddenSize) }
    first.layers = first.layers.isEmpty ? [1] : Set(first.layers.sorted().prefix(1))
    let once = try model.cut(first)
    var second = cuts.mixture(of: once.source.config)
    // Maps that met are one product by now, which knows nothing of channels between them (`ResidualPath`).
    if withMaps { second.channels = [] }
    let joined = first.normalized(for: config).followed(by: second, of: config)

    let again = try ModelImport(once.source, cut: second.cut(of: once.source.config, method: "second"))
    let answer = try model.answer(of: Llama(again, on: model.model.backend))
    answer.expectEqual(try model.answer(of: model.cut(joined).memory), "\(first), then \(second)")
    answer.expectEqual(try model.answer(bypassing: joined), "\(first), then \(second)")
    #expect(again.originalLayers == joined.normalized(for: config).keptLayers(of: config))
    #expect(again.history.count == 2)
  }

  @Test("decoding with a KV cache gives the logits of the whole pass", arguments: [false, true])
  func decoding(withMaps: Bool) throws {
    let model = try CutModel("talespin-tiny", withMaps: withMaps)
    var cuts = RandomCuts(seed: 11)
    var plan = cuts.plan(.neurons, of: model.source.config)
    (plan.layers, plan.attention, plan.mlp, plan.heads) = ([2, 6], [4], [5], [3: [0, 1]])
    let cut = try model.cut(plan).memory
    let whole = try cut.logits([model.texts[0]])[0]
    var cache = try KVCache(cut.config, slots: 1, capacity: model.texts[0].count, on: cut.backend)
    var at = 0
    for count in [5] + Array(repeating: 1, count: model.texts[0].count - 5) {
      let logits = try cut.extend(&cache, by: [Array(model.texts[0][at..<at + count])]).floats()
      at += count
      let expected = try whole.rows(at - 1..<at).floats()
      #expect(zip(logits, expected).allSatisfy { abs($0 - $1) < 1e-4 }, "after \(at) tokens")
    }
  }

  @Test("a study of a model with patches and shortcuts gives the numbers of physically cut ones")
  func study() throws {
    let model = try CutModel("stories260K", withMaps: true)
    var options = StudyOptions()
    (options.sublayers, options.keyHeads) = (true, true)
    let plan = StudyPlan(lengths: model.texts.map(\.count), config: model.model.config, budget: 1 << 30)
    let result = try AblationStudy(model.model, prompts: model.texts, options: options, plan: plan).run()
    let comparison = try ModelComparison(base: model.model, prompts: model.texts, plan: plan)
    for (component, outcome) in result.outcomes {
      var cut = CutPlan()
      switch component {
      case .layer(let layer): cut.layers = [layer]
      case .attention(let layer): cut.attention = [layer]
      case .mlp(let layer): cut.mlp = [layer]
      case .keyHead(let layer, let head): cut.heads[layer] = [2 * head, 2 * head + 1]
      case .head: continue
      }
      let expected = try comparison.outcome(of: model.cut(cut).memory)
      // As against PyTorch (AblationReferenceTests); below 1e-3 the float32 sums' own error counts.
      #expect(relativeError(outcome.meanDivergence, expected.meanDivergence, floor: 1e-3) < 1e-4, "\(component)")
      #expect(relativeError(outcome.perplexity, expected.perplexity) < 1e-5, "\(component)")
    }
  }

  @Test("with bf16 activations a cut rounds where bypassing does", arguments: [false, true])
  func mixedPrecision(withMaps: Bool) throws {
    let model = try CutModel("stories260K", withMaps: withMaps, on: MixedPrecisionBackend(CPUBackend()))
    var cuts = RandomCuts(seed: 3)
    var plan = cuts.plan(.channels, of: model.source.config).joined(with: cuts.plan(.neurons, of: model.source.config))
    (plan.layers, plan.attention) = ([2], [4])
    // Sums in another order fall on the other side of a rounding now and then: some units of bf16's 2^-8.
    try model.answer(of: model.cut(plan).memory).expectEqual(model.answer(bypassing: plan), "\(plan)", within: 0.02)
  }

  @Test("quantised while it is cut, a model stays close; what only loses rows keeps its quantised bytes")
  func quantised() throws {
    let model = try CutModel("talespin-15m")
    var cuts = RandomCuts(seed: 9)
    var plan = cuts.plan(.neurons, of: model.source.config)
    (plan.layers, plan.heads) = ([4], [5: [0, 1, 2]])
    let exact = try model.answer(bypassing: plan)
    // Guesses until the first run: 8 bits keep about 1 % of a row's rounding noise, 4 bits some 8 % of it (ModelImportTests).
    for (type, limit) in [(DType.q8_0, 0.02), (.q4_K, 0.25)] {
      let cut = try model.cut(plan, type: type)
      let error = try model.answer(of: cut.memory).error(from: exact)
      #expect(error < limit && error > limit / 100, "\(type.name): \(error)")
      #expect(try model.answer(of: cut.file) == model.answer(of: cut.memory))

      // The quantised file cut further: rows are taken as they are, columns are quantised again.
      var further = CutPlan()
      further.neurons = [1: [0, 7, 500]]
      let item = try ModelImport(cut.source, cut: further.cut(of: cut.source.config, method: "test"))
      let (old, new) = (cut.source.tensors[TensorName.layer(1, .gate)]!, item.items.first { $0.name == TensorName.layer(1, .gate) }!)
      let bytes = try item.bytes(of: new)
      #expect(new.dtype == type && new.shape.rows == old.shape.rows - 3)
      let kept = (0..<old.shape.rows).filter { ![0, 7, 500].contains($0) }
      #expect(bytes.elementsEqual(kept.flatMap { old.bytes[$0 * old.rowBytes..<($0 + 1) * old.rowBytes] }))
    }
  }
}

extension CutPlan {
  /// This cut of `config` and then `second`, whose indices are those of the model this one leaves, as one cut.
  func followed(by second: CutPlan, of config: LlamaConfig) -> CutPlan {
    func kept(_ gone: Set<Int>?, of count: Int) -> [Int] { (0..<count).filter { gone?.contains($0) != true } }
    let layers = keptLayers(of: config)
    var plan = self
    plan.layers.formUnion(second.layers.map { layers[$0] })
    plan.attention.formUnion(second.attention.map { layers[$0] })
    plan.mlp.formUnion(second.mlp.map { layers[$0] })
    for (layer, gone) in second.heads {
      let own = layers[layer]
      let heads = kept(self.heads[own], of: config.layers[own].queryHeads)
      plan.heads[own, default: []].formUnion(gone.map { heads[$0] })
    }
    for (layer, gone) in second.neurons {
      let own = layers[layer]
      let neurons = kept(self.neurons[own], of: config.layers[own].intermediateSize)
      plan.neurons[own, default: []].formUnion(gone.map { neurons[$0] })
    }
    let columns = kept(channels, of: config.hiddenSize)
    plan.channels.formUnion(second.channels.map { columns[$0] })
    return plan
  }
}
