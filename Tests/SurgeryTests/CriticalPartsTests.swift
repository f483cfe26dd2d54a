import BackendCPU
import Evaluation
import JSON
import TensorCore
import TestSupport
import Testing

@testable import Surgery

/// What a report says must stay and can go, on real models.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct CriticalPartsTests {
  private func study(
    _ name: String, on backend: any ComputeBackend = CPUBackend(), budget: Int = 1 << 30, replacement: Replacement = .zero
  ) throws -> AblationStudy {
    let whole = try AblationReferenceTests.study(name, on: backend, budget: budget)
    var options = StudyOptions()
    (options.sublayers, options.safeSet, options.replacement) = (true, true, replacement)
    return AblationStudy(whole.model, prompts: whole.prompts, options: options, plan: whole.plan)
  }

  @Test(
    "critical are the parts whose removal doubles the reference's perplexity or moves it by a nat",
    arguments: ["stories260K", "talespin-15m"])
  func critical(name: String) throws {
    let expected = try SharedData.json("reference/\(name)/ablation.json")
    let base = try #require(expected["base_ppl"]?.double)
    let study = try self.study(name)
    let report = ContinuationTests.report(try study.run(), study)
    func isCritical(_ entry: JSON?) throws -> Bool {
      let (perplexity, kl) = (try #require(entry?["ppl"]?.double), try #require(entry?["mean_kl"]?.double))
      return perplexity / base >= 2 || kl >= 1
    }
    let layers = try #require(expected["layers"]?.array)
    let theirs = try layers.indices.filter { try isCritical(layers[$0]["layer_identity"]) }
    let section = try #require(report["critical"])
    #expect(section["layers"]?.array?.compactMap { $0["layer"]?.int } == theirs)
    #expect(theirs.contains(0), "the first layer of both models does what no other can")
    let parts = section["sublayers"]?.array?.map { "\($0["layer"]?.int ?? -1) \($0["part"]?.string ?? "")" }
    let theirParts = try layers.indices.flatMap { layer in
      try [("attention", "attn_zero"), ("mlp", "mlp_zero")].filter { try isCritical(layers[layer][$0.1]) }.map { "\(layer) \($0.0)" }
    }
    #expect(parts == theirParts)
    for entry in section["layers"]?.array ?? [] {
      let reference = layers[entry["layer"]?.int ?? 0]["layer_identity"]
      #expect(relativeError(entry["perplexity_factor"]?.double ?? 0, (reference?["ppl"]?.double).map { $0 / base }) < 1e-4)
      #expect(entry["reason"]?.string?.hasPrefix("without it ") == true)
    }
  }

  @Test(
    "the safe set's numbers are those of its joint removal, and one more layer is too much", arguments: ["stories260K", "talespin-15m"])
  func safe(name: String) throws {
    let study = try self.study(name)
    let result = try study.run()
    let safe = try #require(result.safe)
    let base = result.baseline.perplexity
    let order = study.model.layers.indices.sorted {
      result.outcomes[.layer($0)]!.meanDivergence < result.outcomes[.layer($1)]!.meanDivergence
    }
    #expect(safe.layers == order.prefix(safe.layers.count).sorted())
    // A set of one layer is the study's own outcome, which ran beside others: float32's rounding.
    if !safe.layers.isEmpty {
      let joint = try study.measure(without: Set(safe.layers))
      #expect(relativeError(safe.perplexity, joint.perplexity) < 1e-6 && relativeError(safe.divergence, joint.meanDivergence) < 1e-4)
    }
    #expect(safe.increase <= 0.1 && relativeError(safe.increase, safe.perplexity / base - 1) < 1e-9)
    let refusal = try #require(safe.refusal)
    let beyond = try study.measure(without: Set(safe.layers + [refusal.layer])).perplexity / base - 1
    #expect(refusal.layer == order[safe.layers.count] && beyond > 0.1 && relativeError(refusal.increase, beyond) < 1e-4)
    print("\(name): critical \(ContinuationTests.report(result, study)["critical"]!.text()), safe \(safe)")
  }

  @Test("neither groups, nor mean ablation, nor a small device change the safe set; its cost is counted")
  func conditions() throws {
    let study = try self.study("stories260K")
    var done = 0.0
    let result = try study.run { done += $0.flops }
    let expected = try #require(result.safe)
    #expect(abs(done - result.flops) <= 1e-9 * done, "what is reported as progress is what is counted")

    let grouped = try self.study("stories260K", budget: 1 << 20)
    #expect(grouped.plan.groups.count > 1)
    let inGroups = try #require(try grouped.run().safe)
    #expect(inGroups.layers == expected.layers && relativeError(inGroups.perplexity, expected.perplexity) < 1e-6)

    // Its ranking is that of mean ablation, its removal is a removal.
    let mean = try self.study("stories260K", replacement: .mean)
    let byMean = try #require(try mean.run().safe)
    if !byMean.layers.isEmpty {
      let joint = try mean.measure(without: Set(byMean.layers))
      #expect(relativeError(byMean.perplexity, joint.perplexity) < 1e-9)
    }

    let device = SmallDevice(CPUBackend())
    let tight = try self.study("stories260K", on: device)
    // One model's neurons take 570 KB, the kept logits of a group 1.7 MB.
    device.limit = 1000 << 10
    var notes = 0
    let cramped = try tight.run { if $0.note != nil { notes += 1 } }
    #expect(notes > 0 && cramped.safe == expected)
  }

  @Test("merged parts name the critical layers as one run does, and no safe set, which takes the model")
  func merged() throws {
    func report(_ shard: StudyOptions.Shard?) throws -> JSON {
      var study = try self.study("stories260K")
      var options = study.options
      options.shard = shard
      study = AblationStudy(study.model, prompts: study.prompts, options: options, plan: study.plan)
      return try JSON(parsing: ContinuationTests.report(try study.run(), study).text())
    }
    let whole = try report(nil)
    let parts = try (0..<2).map { (path: "part \($0)", report: try report(.init(index: $0, count: 2))) }
    #expect(parts.allSatisfy { $0.report["critical"] == nil && $0.report["safe"] == nil })
    var expected = try #require(whole.object)
    #expect(expected["safe"] != nil && expected["critical"] != nil)
    expected["safe"] = nil
    #expect(try AblationReport(merging: parts).json == .object(expected))
  }

  @Test("a part without which the model overflows is critical, and never safe")
  func overflow() {
    let entries: [JSON] = [
      ["layer": 0, "kl": .double(.nan), "perplexity": .double(.infinity)], ["layer": 1, "kl": 0.01, "perplexity": 9.1],
      ["layer": 2, "kl": 1.5, "perplexity": 12], ["layer": 3, "kl": 0.5, "perplexity": 27],
    ]
    let found = CriticalParts.json(baseline: 9, layers: entries, sublayers: nil)
    #expect(found["sublayers"] == nil)
    #expect(
      found["layers"]?.array?.map { $0["reason"]?.string } == [
        "without it the model computes no numbers", "without it KL is 1.50 nats",
        "without it perplexity is 3.00 times the full model's (9.00 → 27.0)",
      ])
    #expect(found["layers"]?.array?[0]["perplexity_factor"]?.isNull == true)
  }
}
