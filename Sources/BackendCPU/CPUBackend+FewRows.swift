import CKernels
import TensorCore

/// Products of few rows, which are a matter of reading the weights once.
extension CPUBackend {
  public func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor]) {
    precondition(weights.count == outs.count, "matmuls: \(weights.count) weights, \(outs.count) results")
    for (weight, out) in zip(weights, outs) { Check.matmul(a, weight, transpose: .right, into: out) }
    guard a.rows > 0 else { return }
    let products = zip(weights, outs).map { Product(a, $0, transpose: .right, beta: 0, into: $1) }.filter { $0.columns > 0 }
    // What dots take is microseconds long: one after another, workers would wait for each other after each.
    if products.allSatisfy({ plan($0) == .dots && $0.typeOfB == products[0].typeOfB }) { return multiplyByDots(products) }
    for (weight, out) in zip(weights, outs) { matmul(a, weight, transpose: .right, beta: 0, into: out) }
  }

  /// Products of one a with weights of one type, shared out as if they were one.
  func multiplyByDots(_ products: [Product]) {
    guard let first = products.first else { return }
    let length = hoof_dot_stride(first.depth)
    let bytes: Int32 = precision == .int16 ? 2 : 3
    withScratch(bytes: first.rows * length * 4) { scratch in
      let x = scratch.assumingMemoryBound(to: Float.self)
      for row in 0..<first.rows {
        hoof_dot_prepare(simd, first.typeOfB, bytes, first.a + row * first.strideOfA, first.depth, x + row * length)
      }
      let group = Int(hoof_dot_group)
      let groups = products.reduce(0) { $0 + ($1.columns + group - 1) / group }
      let grain = max(1, CPUBackend.dotGrain / max(1, group * first.depth * first.rows))
      parallel(groups, grain: grain) { part in
        var start = 0
        for product in products {
          let own = start..<start + (product.columns + group - 1) / group
          start = own.upperBound
          let mine = own.clamped(to: part)
          if mine.isEmpty { continue }
          hoof_dot(
            simd, product.typeOfB, bytes, x, length, product.rows, product.b, product.rowBytesOfB, product.depth,
            (mine.lowerBound - own.lowerBound) * group, min((mine.upperBound - own.lowerBound) * group, product.columns), product.beta,
            product.out, product.columns)
        }
      }
    }
  }

  private static var dotGrain: Int { 32_768 }
}
