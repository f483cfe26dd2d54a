import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Scores from one batched pass on the device against a plain loop, one prompt at a time, in double precision.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct NeuronScoreTests {
  static func subject(
    _ name: String, on backend: any ComputeBackend = CPUBackend(), count: Int = 32, budget: Int = 1 << 30
  ) throws -> (model: Llama, prompts: [[Int32]], plan: StudyPlan) {
    let model = try ReferenceModels.open(name, on: backend)
    let prompts = Array(ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"]).prefix(count))
    return (model, prompts, StudyPlan(lengths: prompts.map(\.count), config: model.config, budget: budget))
  }

  /// The neurons' activations of one prompt, by layer, row and neuron; or what else `point` shows.
  static func rows(_ model: Llama, _ prompt: [Int32], at point: Site.Point) throws -> [[[Double]]] {
    var layers: [[[Double]]] = []
    let graph = Eager(at: [point]) { (_, x) throws(BackendError) in
      let values = try x.floats()
      layers.append((0..<x.rows).map { row in values[row * x.columns..<(row + 1) * x.columns].map(Double.init) })
      return x
    }
    let layout = try PackedLayout(lengths: [prompt.count], on: model.backend)
    _ = try model.hidden(Tensor(prompt, on: model.backend), layout, in: graph)
    return layers
  }

  /// Greatest error of any value relative to the greatest of its layer: scores are compared with each other.
  static func error(_ scores: [[Double]], _ expected: [[Double]]) -> Double {
    guard scores.map(\.count) == expected.map(\.count) else { return .infinity }
    return zip(scores, expected).map { own, other in
      let scale = other.map(abs).max() ?? 1
      return zip(own, other).map { abs($0 - $1) / scale }.max() ?? 0
    }.max() ?? 0
  }

  @Test("every score that needs no gradient is what its formula says", arguments: ["stories260K", "talespin-tiny"])
  func formulas(name: String) throws {
    let (model, prompts, plan) = try Self.subject(name)
    let expected = try SharedData.json("reference/\(name)/neurons.json")["layers"]?.array ?? []
    var sums = model.layers.map { layer in Array(repeating: [Double](repeating: 0, count: layer.mlp!.gate.rows), count: 5) }
    for prompt in prompts {
      for (layer, rows) in try Self.rows(model, prompt, at: .mlpHidden).enumerated() {
        for neuron in rows[0].indices {
          let values = rows.map { abs($0[neuron]) }
          let mean = values.reduce(0, +) / Double(values.count)
          sums[layer][0][neuron] += mean
          sums[layer][1][neuron] += mean * mean
          sums[layer][2][neuron] += values.reduce(0) { $0 + $1 * $1 }
          sums[layer][3][neuron] += Double(values.count(where: { $0 > 0.02 }))
          sums[layer][4][neuron] += values.reduce(0, +)
        }
      }
    }
    let tokens = Double(prompts.reduce(0) { $0 + $1.count })
    // The loop itself sees what PyTorch saw; 1e-4 is what a faithful float32 program reaches (reference/README.md).
    let means = sums.map { $0[4].map { $0 / tokens } }
    #expect(Self.error(means, expected.map { ReferenceModels.numbers($0["mean_abs"]) }) < 1e-4)

    let weights = try model.layers.map { layer in
      let down = try layer.mlp!.down.floats().map { Double(abs($0)) }
      let count = layer.mlp!.down.columns
      return (0..<count).map { neuron in stride(from: neuron, to: down.count, by: count).reduce(0) { $0 + down[$1] } }
    }
    let naive: [(NeuronScore, [[Double]])] = [
      (.meanAbsolute, sums.map { $0[0].map { $0 / Double(prompts.count) } }), (.minitron, sums.map { $0[1].map { $0.squareRoot() } }),
      (.wanda, zip(sums, weights).map { zip($0[2], $1).map { $0.squareRoot() * $1 } }),
    ]
    for (score, values) in naive {
      // Sums of a few thousand float32 values in another order.
      #expect(Self.error(try score.measure(model, prompts: prompts, plan: plan), values) < 1e-5, "\(score)")
    }
    // A token within float32's rounding of the threshold may fall on either side, and prompts that begin alike hold it several times.
    let rates = try NeuronScore.firingRate.measure(model, prompts: prompts, plan: plan)
    #expect(zip(rates.joined(), sums.flatMap { $0[3] }).allSatisfy { abs($0 * tokens - $1) < 3.5 })
  }

  @Test("the names of product.md, and the ablation report's own figures")
  func names() throws {
    #expect(NeuronScore.allCases.map(\.rawValue) == ["mean-abs", "firing-rate", "wanda", "minitron", "taylor"])
    let (model, prompts, plan) = try Self.subject("stories260K", count: 8)
    var options = StudyOptions()
    options.neurons = true
    let neurons = try #require(try AblationStudy(model, prompts: prompts, options: options, plan: plan).run().neurons)
    // The same kernel on the same rows, summed per prompt instead of per group.
    #expect(Self.error(try NeuronScore.meanAbsolute.measure(model, prompts: prompts, plan: plan), neurons.map(\.meanAbsolute)) < 1e-6)
    #expect(try NeuronScore.firingRate.measure(model, prompts: prompts, plan: plan) == neurons.map(\.firingRate))
    let taylor = try TaylorImportance(model, prompts: prompts, plan: plan).neurons
    #expect(try NeuronScore.taylor.measure(model, prompts: prompts, plan: plan) == taylor)
  }

  @Test("little memory cuts the groups, not the numbers; too little is one error that says so")
  func memory() throws {
    let (model, prompts, plan) = try Self.subject("stories260K", count: 8)
    let expected = try NeuronScore.wanda.measure(model, prompts: prompts, plan: plan)
    let device = SmallDevice(CPUBackend())
    let small = try Self.subject("stories260K", on: device, count: 8)
    // All neurons of 8 prompts of about 55 tokens take 300 KB, of one prompt 40 KB.
    device.limit = 100 << 10
    var groups = 0
    let scores = try NeuronScore.wanda.measure(small.model, prompts: small.prompts, plan: small.plan) { _ in groups += 1 }
    #expect(plan.groups.count == 1 && groups > 1)
    // Sums of groups instead of one sum, and products of fewer rows.
    #expect(Self.error(scores, expected) < 1e-5)
    device.limit = 20 << 10
    #expect(throws: StudyError.self) { try NeuronScore.wanda.measure(small.model, prompts: small.prompts, plan: small.plan) }
  }

  @Test("activations in bf16 change a score by no more than their rounding", arguments: [NeuronScore.wanda, .minitron, .meanAbsolute])
  func rounded(score: NeuronScore) throws {
    let (model, prompts, plan) = try Self.subject("stories260K", count: 8)
    let expected = try score.measure(model, prompts: prompts, plan: plan)
    let rounding = try Self.subject("stories260K", on: MixedPrecisionBackend(CPUBackend()), count: 8)
    let scores = try score.measure(rounding.model, prompts: rounding.prompts, plan: rounding.plan)
    // bf16 keeps 8 bits: 0.4 % a rounding, several of them on the way through five layers.
    #expect(Self.error(scores, expected) < 0.02)
  }

  @Test("neurons that are masked count as gone, and layers behind see it")
  func masked() throws {
    let (model, prompts, plan) = try Self.subject("stories260K", count: 4)
    let gone: [Int: Set<Int>] = [1: Set(0..<100)]
    let activity = try CalibrationActivity(model, prompts: prompts, measuring: [.neurons], without: gone, plan: plan)
    let whole = try CalibrationActivity(model, prompts: prompts, measuring: [.neurons], plan: plan)
    let squares = activity.layers.map { $0.neurons!.squares }
    #expect(squares[1].prefix(100).allSatisfy { $0 == 0 } && squares[1].suffix(72).allSatisfy { $0 > 0 })
    #expect(squares[0] == whole.layers[0].neurons!.squares && squares[2] != whole.layers[2].neurons!.squares)
  }
}
