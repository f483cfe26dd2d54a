import TensorCore
import Training
import Transformer

/// First-order terms of one layer, summed as `TaylorImportance` says.
extension BackwardPass {
  /// Σ_tokens |a·∂L/∂a| of the layer's neurons and heads, on the way through it; nil for a cut sublayer.
  mutating func stepWithSums(_ layer: DecoderLayer) throws(BackendError) -> (neurons: [Double]?, heads: [Double]?) {
    var sums: (neurons: [Double]?, heads: [Double]?) = (nil, nil)
    try step(into: Gradients(of: []), at: [.mlpHidden, .headsOut]) { (tape, site, x) throws(BackendError) in
      tape.watch(x) { (gradient) throws(BackendError) in
        if site.point == .mlpHidden {
          sums.neurons = try gradient.products(with: x.tensor, groups: gradient.columns).absoluteSums()
        } else {
          sums.heads = try gradient.products(with: x.tensor, groups: layer.attention!.shape.queryHeads).absoluteSums()
        }
      }
      return x
    }
    return sums
  }
}

extension Tensor {
  /// dOut [N, G·D] and x alike → Σ_D x ⊙ dOut of each row and column group, [N, G]: the gradient of a mask of ones.
  fileprivate func products(with x: Tensor, groups: Int) throws(BackendError) -> Tensor {
    let product = try like()
    guard groups < columns else {
      backend.multiply(self, x, into: product)
      return product
    }
    let (mask, dMask) = (try Tensor(rows, groups, on: backend), try Tensor(rows, groups, on: backend))
    backend.fill(mask, with: 1)
    backend.fill(dMask, with: 0)
    backend.maskGroupsBackward(self, x: x, mask: mask, dx: product, dMask: dMask)
    return dMask
  }

  /// Σ |x| of each column.
  fileprivate func absoluteSums() throws(BackendError) -> [Double] {
    let out = try Tensor(ActivationStatistic.allCases.count, columns, on: backend)
    let weights = try Tensor(rows, 1, on: backend)
    backend.fill(weights, with: 1)
    backend.activationStatistics(self, rowWeights: weights, threshold: 0, into: out)
    let row = ActivationStatistic.absoluteSum.rawValue
    return try out.rows(row..<row + 1).floats().map(Double.init)
  }
}

extension Gradients {
  /// Σ |w·∂L/∂w| over row i of gate and up and column i of down.
  func neuronSaliences(_ mlp: MLP) throws(BackendError) -> [Double] {
    let (gate, up, down) = (try saliences(mlp.gate).rows, try saliences(mlp.up).rows, try saliences(mlp.down).columns)
    return gate.indices.map { gate[$0] + up[$0] + down[$0] }
  }

  /// The same over each head's rows of q, columns of o, and share of its group's rows of k and v.
  func headSaliences(_ attention: Attention) throws(BackendError) -> [Double] {
    let shape = attention.shape
    func heads(_ values: [Double]) -> [Double] {
      stride(from: 0, to: values.count, by: shape.headDim).map { values[$0..<$0 + shape.headDim].reduce(0, +) }
    }
    let (query, output) = (heads(try saliences(attention.query).rows), heads(try saliences(attention.output).columns))
    let (key, value) = (heads(try saliences(attention.key).rows), heads(try saliences(attention.value).rows))
    let size = shape.queryHeads / shape.keyHeads
    return query.indices.map { query[$0] + output[$0] + (key[$0 / size] + value[$0 / size]) / Double(size) }
  }

  /// Bytes of one matrix that are on the host at a time.
  private static let chunkBytes = 16 << 20

  /// Sums of |w·∂L/∂w| over each row and each column.
  private func saliences(_ weight: Tensor) throws(BackendError) -> (rows: [Double], columns: [Double]) {
    let width = weight.columns
    var rows = [Double](repeating: 0, count: weight.rows)
    var columns = [Double](repeating: 0, count: width)
    guard let gradient = self[weight] else { return (rows, columns) }
    let chunk = max(1, Gradients.chunkBytes / (4 * width))
    for start in stride(from: 0, to: weight.rows, by: chunk) {
      let part = start..<min(start + chunk, weight.rows)
      let product = try weight.rows(part).copied(as: .f32)
      product.backend.multiply(product, gradient.rows(part), into: product)
      let values = try product.floats()
      for row in part {
        let first = (row - start) * width
        var sum = 0.0
        for column in 0..<width {
          let salience = Double(abs(values[first + column]))
          sum += salience
          columns[column] += salience
        }
        rows[row] = sum
      }
    }
    return (rows, columns)
  }
}
