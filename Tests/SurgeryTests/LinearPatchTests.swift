import BackendCPU
import Formats
import Glibc
import JSON
import LinearAlgebra
@testable import Surgery
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Transformer

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct LinearPatchTests {
  private func plan(_ model: CutModel, prompts: [[Int32]], budget: Int = 1 << 30) -> StudyPlan {
    StudyPlan(lengths: prompts.map(\.count), config: model.model.config, budget: budget)
  }

  @Test("a linear patch's rows are those of H·diag(d)·Hᵀ, at powers of two and not", arguments: [64, 128, 384])
  func rows(width: Int) throws {
    var generator = RandomGenerator(seed: UInt64(width))
    let scales = (0..<width).map { _ in 1 + 0.2 * generator.unit() }
    guard case .linear(let rows) = CutPlan.Patch(kind: .linear, scales: scales).forImport else {
      Issue.record("not linear")
      return
    }
    let h = try #require(Hadamard(width)).matrix.map(Double.init)
    let (first, second) = (try rows(0..<width / 2), try rows(width / 2..<width))
    let found = first + second
    for row in stride(from: 0, to: width, by: 7) {
      for column in 0..<width {
        let expected = (0..<width).reduce(0) { $0 + h[row * width + $1] * Double(scales[$1]) * h[column * width + $1] }
        // Two transforms in float32 of numbers around 1.
        #expect(abs(Double(found[row * width + column]) - expected) < 2e-6)
        #expect(abs(found[row * width + column] - found[column * width + row]) < 2e-6)
      }
    }
  }

  /// The paper's formula, in float64 from the residual streams of two full passes.
  private func expected(_ model: CutModel, block: Range<Int>, kind: CutPlan.Patch.Kind, prompts: [[Int32]]) throws -> [Double] {
    let width = model.model.config.hiddenSize
    let h = try #require(Hadamard(width)).matrix.map(Double.init)
    var sums = [Double](repeating: 0, count: width)
    for prompt in prompts {
      let group = try PromptGroup(prompts: 0..<1, of: [prompt], on: model.model.backend)
      let pass = try PrefixPass(model.model, group)
      func magnitudes(_ x: Tensor) throws -> [Double] {
        let values = try x.floats().map(Double.init)
        var sums = [Double](repeating: 0, count: width)
        for start in stride(from: 0, to: values.count, by: width) {
          for k in 0..<width {
            sums[k] += abs(kind == .diag ? values[start + k] : (0..<width).reduce(0) { $0 + values[start + $1] * h[$1 * width + k] })
          }
        }
        return sums
      }
      let (target, cut) = (try magnitudes(pass.residuals[block.upperBound]), try magnitudes(pass.residuals[block.lowerBound]))
      for k in 0..<width { sums[k] += target[k] / cut[k] / Double(prompts.count) }
    }
    return sums
  }

  @Test("scales of one block are the paper's, in one group of prompts and in several", arguments: CutPlan.Patch.Kind.allCases)
  func scales(kind: CutPlan.Patch.Kind) throws {
    let model = try CutModel("talespin-tiny")
    var cut = CutPlan()
    cut.layers = [3, 4]
    let expected = try expected(model, block: 3..<5, kind: kind, prompts: model.texts)
    for budget in [1 << 30, 1 << 20] {
      let plan = plan(model, prompts: model.texts, budget: budget)
      #expect((plan.groups.count > 1) == (budget < 1 << 30))
      let result = try LinearPatch.fit(
        base: model.model, source: model.source, plan: cut, kind: kind, prompts: model.texts, studyPlan: plan)
      let decision = try #require(result.decisions.first)
      #expect(result.decisions.count == 1 && decision.place == 5 && decision.patch.kind == kind)
      // Ratios of float32 sums over 40 tokens.
      #expect(zip(decision.patch.scales, expected).allSatisfy { relativeError(Double($0), $1) < 1e-4 })
    }
  }

  @Test(
    "a patched cut is the whole model with the parts bypassed and the stream patched", arguments: ["stories260K", "talespin-tiny"],
    [false, true])
  func exactness(name: String, withMaps: Bool) throws {
    let model = try CutModel(name, withMaps: withMaps)
    let width = model.source.config.hiddenSize
    var cuts = RandomCuts(seed: 21)
    var plan = cuts.plan(.neurons, of: model.source.config).joined(with: cuts.plan(.headGroups, of: model.source.config))
    plan.layers = [1, 3]
    for (place, kind) in [(2, CutPlan.Patch.Kind.linear), (3, .diag), (4, .linear), (model.source.config.layers.count, .linear)] {
      plan.patches[place] = .init(kind: kind, scales: (0..<width).map { _ in 1 + 0.1 * cuts.generator.unit() })
    }
    #expect(try CutPlan(plan.json, for: model.source.config, path: "plan") == plan)
    for channels in [Set<Int>(), [0, 5, width - 1]] {
      plan.channels = channels
      let cut = try model.cut(plan)
      let answer = try model.answer(of: cut.memory)
      answer.expectEqual(try model.answer(bypassing: plan), "\(channels)")
      #expect(try model.answer(of: cut.file) == answer)
      plan.patches[2]!.scales[0] += 0.5
      #expect(try model.answer(bypassing: plan).error(from: answer) > 1e-3, "the patch changes nothing")
      plan.patches[2]!.scales[0] -= 0.5
    }
  }

  @Test("sublayers and blocks that go are patched from front to back, each with those before in place; what hurts is left out")
  func severalPlaces() throws {
    let model = try CutModel("talespin-tiny")
    var cut = CutPlan()
    (cut.layers, cut.attention, cut.mlp, cut.neurons) = ([1, 5, 7], [3], [4], [2: [1, 2, 3]])
    #expect(LinearPatch.places(of: cut, in: model.source.config) == [2, 4, 6, 8])
    let plan = plan(model, prompts: model.texts)
    let comparison = try ModelComparison(base: model.model, prompts: model.texts, plan: plan)
    var seen: [Int] = []
    let result = try LinearPatch.fit(
      base: model.model, source: model.source, plan: cut, kind: .linear, prompts: model.texts, studyPlan: plan
    ) { place, places in
      #expect(places == [2, 4, 6, 8])
      seen.append(place)
    }
    #expect(seen == [2, 4, 6, 8] && result.decisions.map(\.place) == seen)
    var patched = cut
    for decision in result.decisions {
      #expect(relativeError(decision.before, try comparison.outcome(of: model.cut(patched).memory).meanDivergence) < 1e-6)
      var next = patched
      next.patches[decision.place] = decision.patch
      #expect(relativeError(decision.after, try comparison.outcome(of: model.cut(next).memory).meanDivergence) < 1e-6)
      if decision.after <= decision.before { patched = next }
    }
    #expect(result.plan == patched && result.notes.count == result.decisions.count - patched.patches.count)
  }

  @Test("columns without a denominator do not count, and stay as they are when no prompt has one")
  func zeroDenominators() {
    var ratios = MeanRatios(width: 4)
    ratios.add([1, 2, 3, 0], over: [0, 4, 1, 2])
    ratios.add([5, 2, .infinity, 0], over: [0, 1, 1, 2])
    #expect(ratios.means == [1, 1.25, 3, 0])
  }

  @Test("a width without a Hadamard matrix is refused with what works, from the fit and from a plan file")
  func noHadamard() throws {
    let folder = try TemporaryFolder()
    var config = RandomModel.tiny
    (config.hiddenSize, config.headDim) = (92, 16)
    try RandomModel.write(config: config, dtype: .f32, seed: 1, to: folder.path)
    let source = try ModelSource.open(path: folder.path)
    let model = try Llama(source, on: CPUBackend())
    var cut = CutPlan()
    cut.layers = [1]
    let prompts: [[Int32]] = [[1, 2, 3, 4]]
    let plan = StudyPlan(lengths: [4], config: config, budget: 1 << 30)
    #expect(throws: PatchError.noHadamardMatrix(width: 92)) {
      try LinearPatch.fit(base: model, source: source, plan: cut, kind: .linear, prompts: prompts, studyPlan: plan)
    }
    #expect("\(PatchError.noHadamardMatrix(width: 92))".hasSuffix("--patch diag works"))
    let fitted = try LinearPatch.fit(base: model, source: source, plan: cut, kind: .diag, prompts: prompts, studyPlan: plan)
    #expect(fitted.decisions.map(\.place) == [2])
    let linear: JSON = ["patches": [["layer": 2, "kind": "linear", "scales": .array((0..<92).map { _ in 1 })]]]
    #expect(throws: FormatError.self) { try CutPlan(linear, for: config, path: "plan.json") }
  }

  /// Prints the table of `benchmarks/results/`.
  @Test("the patch never raises the calibration KL of a block that was cut", arguments: ReferenceModels.names)
  func table(name: String) throws {
    let model = try CutModel(name)
    let all = ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
    let calibration = all.indices.filter { $0 % 2 == 0 }.map { all[$0] }
    let heldOut = all.indices.filter { $0 % 2 == 1 }.map { all[$0] }
    let fitPlan = plan(model, prompts: calibration)
    let comparison = try ModelComparison(base: model.model, prompts: heldOut, plan: plan(model, prompts: heldOut))
    let cosines = try Self.cosines(model, calibration)
    let count = model.model.layers.count
    print("patch: base \(name) perplexity \(comparison.baseline.perplexity), \(calibration.count) + \(heldOut.count) prompts")
    for length in Self.lengths(name, layers: count) {
      let start = (1..<count - length).max { cosines[$0][$0 + length] < cosines[$1][$1 + length] }!
      var cut = CutPlan()
      cut.layers = Set(start..<start + length)
      var bare: Double?
      for kind in CutPlan.Patch.Kind.allCases.reversed() {
        let result = try LinearPatch.fit(
          base: model.model, source: model.source, plan: cut, kind: kind, prompts: calibration, studyPlan: fitPlan)
        let decision = try #require(result.decisions.first)
        if bare == nil {
          let outcome = try comparison.outcome(of: model.cut(cut).memory)
          print(
            "patch: | \(name) | \(length) | \(start)-\(start + length - 1) | bare | \(decision.before) | \(outcome.meanDivergence) | \(outcome.perplexity) | |"
          )
        }
        bare = decision.before
        var patched = cut
        patched.patches[decision.place] = decision.patch
        let outcome = try comparison.outcome(of: model.cut(patched).memory)
        print(
          "patch: | \(name) | \(length) | \(start)-\(start + length - 1) | \(kind.rawValue) | \(decision.after) | \(outcome.meanDivergence) | "
            + "\(outcome.perplexity) | \(decision.isKept ? "" : "left out") |")
        #expect(result.plan.patches.isEmpty != decision.isKept)
      }
    }
  }

  static func lengths(_ name: String, layers: Int) -> [Int] { Array(1...layers - 2) }

  /// Mean cosine of the streams entering layers i and j, over tokens and then prompts, as the paper chooses its block.
  private static func cosines(_ model: CutModel, _ prompts: [[Int32]]) throws -> [[Double]] {
    let count = model.model.layers.count
    var means = Array(repeating: [Double](repeating: 0, count: count + 1), count: count + 1)
    for prompt in prompts {
      let group = try PromptGroup(prompts: 0..<1, of: [prompt], on: model.model.backend)
      let streams = try PrefixPass(model.model, group).residuals
      let norms = try streams.map { try $0.rowDots($0).floats() }
      for i in 0...count {
        for j in i...count {
          let dots = try streams[i].rowDots(streams[j]).floats()
          let cosines = dots.indices.map { Double(dots[$0]) / (Double(norms[i][$0]) * Double(norms[j][$0])).squareRoot() }
          means[i][j] += cosines.reduce(0, +) / Double(cosines.count * prompts.count)
        }
      }
    }
    return means
  }
}
