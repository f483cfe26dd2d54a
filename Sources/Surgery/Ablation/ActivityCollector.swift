import Evaluation
import Glibc
import TensorCore
import Transformer

/// How neurons of one layer fire: a = silu(gate)·up, the input of the down projection. One value per neuron.
public struct NeuronStatistics: Sendable, Equatable {
  /// Mean over prompts of the mean of |a| over that prompt's tokens.
  public var meanAbsolute: [Double]
  /// Mean of |a| over all tokens.
  public var meanAbsoluteOverTokens: [Double]
  public var mean: [Double]
  public var greatestAbsolute: [Double]
  /// Share of tokens with |a| strictly above the threshold.
  public var firingRate: [Double]

  init(count: Int) {
    meanAbsolute = [Double](repeating: 0, count: count)
    (meanAbsoluteOverTokens, mean, greatestAbsolute, firingRate) = (meanAbsolute, meanAbsolute, meanAbsolute, meanAbsolute)
  }
}

/// What cheap proxies say about layers, for comparing with the measured divergence.
public struct ActivityStatistics: Sendable, Equatable {
  /// 1 - mean cos(x_l, x_l+1) over all positions (ShortGPT, arXiv 2403.03853); the residual stream before the final norm.
  public var blockInfluence: [Double]
  /// Mean L2 norm of what the attention sublayer adds to the residual stream.
  public var attentionNorm: [Double]
  /// Mean |w| over the layer's matrices (the magnitude criterion of Shortened LLaMA, arXiv 2402.02834, per weight).
  public var weightMagnitude: [Double]
  /// Angular distance arccos(cos(x_start, x_start+length))/π of every block of layers (arXiv 2403.17887).
  public var blocks: [Block]

  public struct Block: Sendable, Equatable {
    public let start: Int, length: Int
    /// Last position of each prompt only, as in the paper.
    public let lastToken: Double
    public let allTokens: Double
  }
}

/// Watches the full model's pass and sums up what it sees, group by group.
final class ActivityCollector {
  private let model: Llama
  private let prompts: [[Int32]]
  private let options: StudyOptions
  private var sums: Sums

  private struct Sums {
    var neurons: [NeuronStatistics]
    var attentionNorms: [Double]
    var cosines: [[PairSum]]
  }

  private struct PairSum {
    var cosine = 0.0, angle = 0.0, lastAngle = 0.0
  }

  init(_ model: Llama, prompts: [[Int32]], options: StudyOptions) {
    self.model = model
    self.prompts = prompts
    self.options = options
    sums = Sums(
      neurons: options.neurons ? model.layers.map { NeuronStatistics(count: $0.mlp?.gate.rows ?? 0) } : [],
      attentionNorms: [Double](repeating: 0, count: model.layers.count),
      cosines: model.layers.indices.map { Array(repeating: PairSum(), count: model.layers.count - $0) })
  }

  private var tokens: Double { Double(prompts.reduce(0) { $0 + $1.count }) }

  /// Runs the full model over the group. A pass that fails leaves nothing in the sums, so that it can be run again.
  func observe(_ group: PromptGroup) throws(BackendError) -> PrefixPass {
    let before = sums
    do throws(BackendError) { return try run(group) } catch {
      sums = before
      throw error
    }
  }

  private func run(_ group: PromptGroup) throws(BackendError) -> PrefixPass {
    let backend = model.backend
    let shares = group.layout.lengths.flatMap { [Float](repeating: 1 / Float($0), count: $0) }
    let weights = try Tensor(shares, rows: shares.count, columns: 1, on: backend)
    let points: [Site.Point] = (options.neurons ? [.mlpHidden] : []) + (options.proxies ? [.attentionOut] : [])
    let graph = Eager(at: Set(points)) { (site, x) throws(BackendError) in
      if site.point == .mlpHidden {
        try self.count(x, weights, layer: site.layer)
      } else {
        self.sums.attentionNorms[site.layer] += try x.rowDots(x).floats().reduce(0) { $0 + Double($1).squareRoot() }
      }
      return x
    }
    let pass = try PrefixPass(model, group, in: graph)
    if options.proxies { try compareResiduals(pass) }
    return pass
  }

  private func count(_ x: Tensor, _ weights: Tensor, layer: Int) throws(BackendError) {
    let out = try Tensor(ActivationStatistic.allCases.count, x.columns, on: x.backend)
    x.backend.activationStatistics(x, rowWeights: weights, threshold: options.firingThreshold, into: out)
    let values = try out.floats()
    func row(_ statistic: ActivationStatistic) -> ArraySlice<Float> {
      values[statistic.rawValue * x.columns..<(statistic.rawValue + 1) * x.columns]
    }
    func add(_ statistic: ActivationStatistic, to sums: inout [Double]) {
      for (index, value) in row(statistic).enumerated() { sums[index] += Double(value) }
    }
    add(.weightedAbsoluteSum, to: &self.sums.neurons[layer].meanAbsolute)
    add(.absoluteSum, to: &self.sums.neurons[layer].meanAbsoluteOverTokens)
    add(.sum, to: &self.sums.neurons[layer].mean)
    add(.exceedances, to: &self.sums.neurons[layer].firingRate)
    for (index, value) in row(.absoluteMaximum).enumerated() {
      self.sums.neurons[layer].greatestAbsolute[index] = max(self.sums.neurons[layer].greatestAbsolute[index], Double(value))
    }
  }

  private func compareResiduals(_ pass: PrefixPass) throws(BackendError) {
    var norms: [[Float]] = []
    for x in pass.residuals { norms.append(try x.rowDots(x).floats()) }
    var lastRows: Set<Int> = []
    var end = 0
    for length in pass.group.layout.lengths {
      end += length
      lastRows.insert(end - 1)
    }
    for start in model.layers.indices {
      for length in 1...model.layers.count - start {
        let dots = try pass.residuals[start].rowDots(pass.residuals[start + length]).floats()
        for (row, dot) in dots.enumerated() {
          let scale = (Double(norms[start][row]) * Double(norms[start + length][row])).squareRoot()
          let cosine = scale > 0 ? min(1, max(-1, Double(dot) / scale)) : 0
          let angle = acos(cosine) / Double.pi
          sums.cosines[start][length - 1].cosine += cosine
          sums.cosines[start][length - 1].angle += angle
          if lastRows.contains(row) { sums.cosines[start][length - 1].lastAngle += angle }
        }
      }
    }
  }

  func neurons() -> [NeuronStatistics] {
    sums.neurons.map { sums in
      var means = sums
      means.meanAbsolute = sums.meanAbsolute.map { $0 / Double(prompts.count) }
      means.meanAbsoluteOverTokens = sums.meanAbsoluteOverTokens.map { $0 / tokens }
      means.mean = sums.mean.map { $0 / tokens }
      means.firingRate = sums.firingRate.map { $0 / tokens }
      return means
    }
  }

  func activity() throws(BackendError) -> ActivityStatistics {
    var magnitudes: [Double] = []
    for layer in model.layers { magnitudes.append(try layer.meanMagnitude()) }
    let blocks = model.layers.indices.flatMap { start in
      sums.cosines[start].enumerated().map { index, sum in
        ActivityStatistics.Block(
          start: start, length: index + 1, lastToken: sum.lastAngle / Double(prompts.count), allTokens: sum.angle / tokens)
      }
    }
    return ActivityStatistics(
      blockInfluence: sums.cosines.map { 1 - $0[0].cosine / tokens }, attentionNorm: sums.attentionNorms.map { $0 / tokens },
      weightMagnitude: magnitudes, blocks: blocks)
  }
}

extension DecoderLayer {
  /// Mean |w| over the layer's matrices.
  func meanMagnitude() throws(BackendError) -> Double {
    let matrices = [attention?.query, attention?.key, attention?.value, attention?.output, mlp?.gate, mlp?.up, mlp?.down].compactMap { $0 }
    var sum = 0.0
    for matrix in matrices { sum += try WeightStatistics(matrix).absoluteSums.reduce(0, +) }
    let count = matrices.reduce(0) { $0 + $1.shape.count }
    return count == 0 ? 0 : sum / Double(count)
  }
}
