import TensorCore
import Training
import Transformer

/// First-order terms of one layer, summed as `TaylorImportance` says.
extension BackwardPass {
  /// Σ_prompts |Σ_tokens a·∂L/∂a| of the layer's neurons and heads, on the way through it; nil for a cut sublayer.
  mutating func stepWithSums(_ layer: DecoderLayer) throws(BackendError) -> (neurons: [Double]?, heads: [Double]?) {
    let layout = group.layout
    var sums: (neurons: [Double]?, heads: [Double]?) = (nil, nil)
    try step(into: Gradients(of: []), at: [.mlpHidden, .headsOut]) { (tape, site, x) throws(BackendError) in
      tape.watch(x) { (gradient) throws(BackendError) in
        if site.point == .mlpHidden {
          sums.neurons = try gradient.sums(with: x.tensor, groups: gradient.columns, layout)
        } else {
          sums.heads = try gradient.sums(with: x.tensor, groups: layer.attention!.shape.queryHeads, layout)
        }
      }
      return x
    }
    return sums
  }
}

extension Tensor {
  /// dOut [N, G·D] and x alike → of each column group Σ_sequences |Σ x ⊙ dOut|: what a mask's gradient would be, for each sequence apart.
  fileprivate func sums(with x: Tensor, groups: Int, _ layout: PackedLayout) throws(BackendError) -> [Double] {
    let mask = try Tensor(1, groups, on: backend)
    backend.fill(mask, with: 1)
    let dMasks = try Tensor(layout.lengths.count, groups, on: backend)
    backend.fill(dMasks, with: 0)
    let scratch = try like()
    var start = 0
    for (sequence, length) in layout.lengths.enumerated() {
      let span = start..<start + length
      backend.maskGroupsBackward(
        rows(span), x: x.rows(span), mask: mask, dx: scratch.rows(span), dMask: dMasks.rows(sequence..<sequence + 1))
      start += length
    }
    var sums = [Double](repeating: 0, count: groups)
    for (index, value) in try dMasks.floats().enumerated() { sums[index % groups] += Double(abs(value)) }
    return sums
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
