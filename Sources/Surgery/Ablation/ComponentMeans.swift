import TensorCore
import Transformer

/// Mean contribution of every component over all calibration tokens, for mean ablation.
struct ComponentMeans {
  /// [1, C] each
  let attention: [Tensor], mlp: [Tensor]
  /// Mean of each layer's concatenated heads, Hq·D values.
  private let heads: [[Float]]
  private let backend: any ComputeBackend

  /// One pass over every group.
  init(_ model: Llama, _ prompts: [[Int32]], plan: StudyPlan) throws(BackendError) {
    let backend = model.backend
    let width = model.config.hiddenSize
    let headWidths = model.layers.map { ($0.attention?.shape.queryHeads ?? 0) * model.config.headDim }
    var sums = headWidths.map { ColumnMeans(heads: [Double](repeating: 0, count: $0), width: width) }
    var failure: BackendError?
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: prompts, on: backend)
      let graph = Eager(at: [.headsOut, .attentionOut, .mlpOut]) { (site, x) throws(BackendError) in
        let path: WritableKeyPath<ColumnMeans, [Double]>
        switch site.point {
        case .headsOut: path = \.heads
        case .attentionOut: path = \.attention
        case .mlpOut: path = \.mlp
        default: return x
        }
        let out = try Tensor(1, x.columns, on: backend)
        backend.columnSums(x, beta: 0, into: out)
        for (index, value) in try out.floats().enumerated() { sums[site.layer][keyPath: path][index] += Double(value) }
        return x
      }
      do throws(BackendError) { _ = try PrefixPass(model, group, in: graph) } catch { failure = error }
      if let failure { throw failure }
    }

    let tokens = Double(max(1, prompts.reduce(0) { $0 + $1.count }))
    func row(_ values: [Double]) throws(BackendError) -> Tensor {
      try Tensor(values.map { Float($0 / tokens) }, rows: 1, columns: width, on: backend)
    }
    var attention: [Tensor] = []
    var mlp: [Tensor] = []
    for sum in sums {
      attention.append(try row(sum.attention))
      mlp.append(try row(sum.mlp))
    }
    (self.attention, self.mlp, self.backend) = (attention, mlp, backend)
    heads = sums.map { $0.heads.map { Float($0 / tokens) } }
  }

  /// For each change the means of the columns of the heads it silences, zero elsewhere, [changes, Hq·D].
  func headRows(_ layer: Int, _ silenced: [Range<Int>], _ shape: AttentionShape) throws(BackendError) -> Tensor {
    let width = heads[layer].count
    var rows = [Float](repeating: 0, count: silenced.count * width)
    for (change, silent) in silenced.enumerated() {
      for column in silent.lowerBound * shape.headDim..<silent.upperBound * shape.headDim {
        rows[change * width + column] = heads[layer][column]
      }
    }
    return try Tensor(rows, rows: silenced.count, columns: width, on: backend)
  }

  private struct ColumnMeans {
    var heads: [Double]
    var attention: [Double], mlp: [Double]
    init(heads: [Double], width: Int) {
      self.heads = heads
      attention = [Double](repeating: 0, count: width)
      mlp = attention
    }
  }
}
