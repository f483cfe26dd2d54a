import BackendCPU
import Formats
import JSON
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// The plan file.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct PrunePlanTests {
  static func plan(_ method: PruneMethod = .greedy) throws -> (plan: PrunePlan, source: ModelSource) {
    var pruner = try Pruning.pruner("stories260K", PruneOptions(method: method), prompts: 8)
    let result = try pruner.run(PruneGoal(budget: .drop(2)))
    let outcome = result.steps.last!.outcome!
    let plan = PrunePlan(
      result, of: pruner, cuts: result.cut, after: result.steps.last!.after, matrixType: .q8_0,
      source: .init(path: "m", fingerprint: pruner.source.fingerprint(), origin: nil),
      calibration: .init(path: "c", sha256: "s", prompts: 8, tokens: 400, maxTokens: 64),
      measured: .init(divergence: outcome.meanDivergence, perplexity: outcome.perplexity))
    return (plan, pruner.source)
  }

  @Test("a plan reads back as it was written, with every key that others rely on", arguments: Pruning.methods)
  func roundTrip(method: PruneMethod) throws {
    let (plan, source) = try Self.plan(method)
    let json = try JSON(parsing: plan.text)
    let read = try PrunePlan(json, for: source.config, path: "p")
    #expect(read.cuts == plan.cuts && read.source == plan.source && read.calibration == plan.calibration && read.method == method.rawValue)
    #expect(read.measured == plan.measured && read.matrixType == .q8_0 && read.measured != nil)
    #expect(json["format"] == "hoof-plan" && json["version"] == 1)
    #expect(json["source"]?["layers"]?.int == 5 && json["source"]?["parameters"]?.int == 260_032)
    let steps = try #require(json["steps"]?.array)
    #expect(!steps.isEmpty && steps.allSatisfy { $0["kl"]?.double != nil && $0["perplexity"]?.double != nil && $0["cut"] != nil })
    #expect(steps.last?["cut"] == json["cuts"] && steps.last?["parameters"] == json["after"]?["parameters"])
    #expect(json["before"]?["layers"]?.int == 5 && json["stop"]?.string == "--drop 2 is met" && json["scores"]?.object != nil)
    let kept = (0..<5).filter { !plan.cuts.layers.contains($0) }
    #expect(json["original_layers"]?.array?.compactMap(\.int) == kept)
  }

  @Test("figures of other cuts are not taken over")
  func edited() throws {
    let (plan, source) = try Self.plan()
    var object = try #require(plan.json.object)
    var cuts = plan.cuts
    cuts.mlp = [(0..<5).first { !cuts.layers.contains($0) }!]
    object["cuts"] = cuts.json
    let read = try PrunePlan(.object(object), for: source.config, path: "p")
    #expect(read.measured == nil && read.cuts == cuts)
  }

  @Test("what is no plan, of another version, or of another shape is refused by its field")
  func refusals() throws {
    let (plan, source) = try Self.plan()
    func refusal(_ change: (inout JSON.Object) -> Void) -> String {
      var object = plan.json.object!
      change(&object)
      do throws(FormatError) {
        _ = try PrunePlan(.object(object), for: source.config, path: "p.json")
        return ""
      } catch { return error.description }
    }
    #expect(refusal { $0["format"] = "hoof-ablation" } == "p.json: format: not a plan of hoof prune")
    #expect(refusal { $0["version"] = 2 } == "p.json: version: is 2; this hoof reads version 1")
    #expect(refusal { $0["version"] = nil }.contains("is missing"))
    #expect(refusal { $0["source"] = nil }.contains("source.path"))
    #expect(refusal { $0["source"] = ["path": "m", "fingerprint": "f", "layers": 7] }.contains("a model of 7 layers, this one has 5"))
    #expect(refusal { $0["cuts"] = nil }.contains("cuts: is missing"))
    #expect(refusal { $0["cuts"] = ["layers": [5]] }.contains("cuts.layers"))
    #expect(refusal { $0["cuts"] = ["experts": [1]] }.contains("cuts.experts"))
    #expect(refusal { $0["method"] = 3 }.contains("method: is missing"))
    #expect(refusal { $0["matrix_type"] = "i32" }.contains("matrix_type"))
    #expect(refusal { $0["calibration"] = ["path": "c"] }.contains("calibration"))
  }

  @Test("a plan speaks of its model, and of every conversion of it")
  func origin() {
    let (base, q8, other) = (
      PrunePlan.Source(path: "a", fingerprint: "1", origin: nil), PrunePlan.Source(path: "b", fingerprint: "2", origin: "1"),
      PrunePlan.Source(path: "c", fingerprint: "3", origin: nil)
    )
    let q4 = PrunePlan.Source(path: "d", fingerprint: "4", origin: "1")
    #expect(base.speaks(of: base) && base.speaks(of: q8) && q8.speaks(of: base) && q8.speaks(of: q4))
    #expect(!base.speaks(of: other) && !q8.speaks(of: other))
  }

  @Test("a written cut is proved against the bypassed model, and a wrong one is noticed")
  func proof() throws {
    let (plan, source) = try Self.plan()
    let model = try Llama(source, on: CPUBackend())
    let made = try ModelImport(source, cut: plan.cuts.cut(of: source.config, method: "test"))
    let cut = try Llama(made, on: model.backend)
    let proof = try CutProof(written: cut, base: model, made, plan.cuts, prompts: [])
    #expect(proof.against == .bypass && proof.isGood && proof.difference < 1e-5 && proof.tokens == 96)
    let wrong = try CutProof(written: model, base: model, made, plan.cuts, prompts: [])
    #expect(!wrong.isGood && wrong.difference > 1e-2)
    let quantised = try ModelImport(source, matrixType: .q8_0, cut: plan.cuts.cut(of: source.config, method: "test"))
    let stored = try CutProof(written: Llama(quantised, on: model.backend), base: model, quantised, plan.cuts, prompts: [])
    #expect(stored.against == .memory && stored.isGood)
  }
}
