import BackendCPU
import Evaluation
import JSON
import Surgery
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Transformer

/// Every figure of the reference ablation, to 1e-4 relative: what a faithful float32 program reaches (reference/README.md).
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), .serialized)
struct AblationReferenceTests {
  static let limit = 1e-4

  static func study(_ name: String, on backend: any ComputeBackend, budget: Int = 1 << 30, firing: Float = 0.02) throws -> AblationStudy {
    let model = try ReferenceModels.open(name, on: backend)
    let prompts = ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
    var options = StudyOptions()
    (options.sublayers, options.heads, options.keyHeads, options.neurons, options.proxies) = (true, .all, true, true, true)
    options.firingThreshold = firing
    let plan = StudyPlan(lengths: prompts.map(\.count), config: model.config, budget: budget)
    return AblationStudy(model, prompts: prompts, options: options, plan: plan)
  }

  /// Fields of one reference entry that differ by more than the limit.
  static func differences(_ outcome: Outcome?, _ entry: JSON?, basePerplexity: Double) -> [String] {
    guard let outcome, let entry else { return ["missing"] }
    let pairs: [(String, Double)] = [
      ("mean_kl", outcome.meanDivergence), ("mean_kl_per_prompt", outcome.meanDivergencePerPrompt),
      ("max_kl", outcome.greatestDivergence), ("mean_kl_last_token", outcome.meanLastDivergence), ("ppl", outcome.perplexity),
      ("top1_agree", outcome.agreement),
    ]
    var found = pairs.filter { relativeError($0.1, entry[$0.0]?.double) > limit }.map {
      "\($0.0) \($0.1) for \(entry[$0.0]?.double ?? .nan)"
    }
    // A difference of two perplexities: its error is theirs.
    if abs(outcome.perplexity - basePerplexity - (entry["delta_ppl"]?.double ?? .nan)) > limit * outcome.perplexity {
      found.append("delta_ppl")
    }
    return found
  }

  @Test("layers, sublayers, heads and KV groups agree with PyTorch", arguments: ReferenceModels.names)
  func components(name: String) throws {
    let expected = try SharedData.json("reference/\(name)/ablation.json")
    let result = try Self.study(name, on: CPUBackend()).run()
    let base = result.baseline.perplexity
    #expect(relativeError(base, expected["base_ppl"]?.double) < Self.limit)
    #expect(relativeError(result.baseline.crossEntropy, expected["base_mean_nll"]?.double) < Self.limit)
    #expect(result.baseline.positions == expected["tokens"]?.int)
    func check(_ component: Component, _ entry: JSON?) {
      let found = Self.differences(result.outcomes[component], entry, basePerplexity: base)
      #expect(found.isEmpty, "\(component)")
    }
    for entry in expected["layers"]?.array ?? [] {
      let layer = entry["layer"]?.int ?? -1
      check(.layer(layer), entry["layer_identity"])
      check(.attention(layer), entry["attn_zero"])
      check(.mlp(layer), entry["mlp_zero"])
    }
    for entry in expected["heads"]?.array ?? [] { check(.head(layer: entry["layer"]?.int ?? -1, head: entry["head"]?.int ?? -1), entry) }
    for entry in expected["kv_groups"]?.array ?? [] {
      check(.keyHead(layer: entry["layer"]?.int ?? -1, keyHead: entry["kv_group"]?.int ?? -1), entry)
    }
    let count = ["layers", "heads", "kv_groups"].reduce(0) { $0 + (expected[$1]?.array?.count ?? 0) * ($1 == "layers" ? 3 : 1) }
    #expect(result.outcomes.count == count)
  }

  @Test("block influence, angular distance and dropping the least influential layers agree", arguments: ReferenceModels.names)
  func blockInfluence(name: String) throws {
    let expected = try SharedData.json("reference/\(name)/block_influence.json")
    let study = try Self.study(name, on: CPUBackend())
    let result = try study.run()
    let activity = try #require(result.activity)
    for entry in expected["bi"]?.array ?? [] {
      #expect(relativeError(activity.blockInfluence[entry["layer"]?.int ?? 0], entry["bi"]?.double) < Self.limit)
    }
    for entry in expected["angular"]?.array ?? [] {
      let block = try #require(activity.blocks.first { $0.start == entry["start"]?.int && $0.length == entry["n"]?.int })
      #expect(relativeError(block.allTokens, entry["all_tokens"]?.double) < Self.limit)
      #expect(relativeError(block.lastToken, entry["last_token"]?.double) < Self.limit)
    }
    let order = activity.blockInfluence.indices.sorted { activity.blockInfluence[$0] < activity.blockInfluence[$1] }
    #expect(order == expected["bi_order_least_first"]?.array?.compactMap(\.int))
    for entry in expected["drop_k_least_bi"]?.array ?? [] {
      let outcome = try study.measure(without: Set(entry["dropped"]?.array?.compactMap(\.int) ?? []))
      #expect(Self.differences(outcome, entry, basePerplexity: result.baseline.perplexity).isEmpty)
    }
  }

  @Test("neuron statistics agree", arguments: ReferenceModels.names)
  func neurons(name: String) throws {
    let expected = try SharedData.json("reference/\(name)/neurons.json")
    for threshold in [Float(0.02), 0.005] {
      var study = try Self.study(name, on: CPUBackend(), firing: threshold)
      var options = study.options
      (options.sublayers, options.heads, options.keyHeads, options.proxies) = (false, .none, false, false)
      study = AblationStudy(study.model, prompts: study.prompts, options: options, plan: study.plan)
      let neurons = try #require(try study.run().neurons)
      for (layer, entry) in (expected["layers"]?.array ?? []).enumerated() {
        let own = neurons[layer]
        // Means of signed values cancel: their error is measured against the neuron's mean magnitude.
        let scale = own.meanAbsoluteOverTokens
        #expect(
          zip(own.meanAbsoluteOverTokens, ReferenceModels.numbers(entry["mean_abs"])).allSatisfy { relativeError($0, $1) < Self.limit })
        #expect(zip(own.greatestAbsolute, ReferenceModels.numbers(entry["max_abs"])).allSatisfy { relativeError($0, $1) < Self.limit })
        let means = ReferenceModels.numbers(entry["mean"])
        #expect(own.mean.indices.allSatisfy { abs(own.mean[$0] - means[$0]) <= Self.limit * scale[$0] })
        // Counts: a token within float32's rounding of the threshold may fall on either side (12 of 15 million do here), and prompts
        // that begin alike hold the same activation several times.
        let rates = ReferenceModels.numbers(entry["share_above_\(threshold)"])
        let tokens = Double(expected["tokens"]?.int ?? 1)
        let misses = zip(own.firingRate, rates).filter { abs($0 - $1) * tokens > 0.5 }
        let counts = misses.map { abs($0 - $1) * tokens }
        #expect(rates.count == own.firingRate.count && counts.allSatisfy { $0 < 3.5 } && counts.count <= 1 + rates.count / 500)
        #expect(relativeError(own.meanAbsoluteOverTokens.reduce(0, +) / Double(scale.count), entry["layer_mean_abs"]?.double) < Self.limit)
      }
    }
  }
}
