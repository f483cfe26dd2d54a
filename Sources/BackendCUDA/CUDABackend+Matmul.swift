import TensorCore

extension CUDABackend {
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    Check.matmul(a, b, transpose: transpose, into: out)
    guard out.rows > 0, out.columns > 0 else { return }
    if vendorMatmul(
      a, b, transpose: transpose, beta: beta, into: out, ours: { ownMatmul(a, b, transpose: transpose, beta: beta, into: $0) })
    {
      return
    }
    ownMatmul(a, b, transpose: transpose, beta: beta, into: out)
  }

  /// The product by our own kernels: few rows are a matter of reading the weights once, the rest of filling the tensor cores.
  private func ownMatmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    let product = MatrixProduct(a, b, transpose, beta: beta, into: out)
    if product.hasFewRows { return multiplyFewRows(product) }
    if device.capability == 90, matmulOnHopper(a, b, transpose: transpose, beta: beta, into: out) { return }
    multiplyTiles(product)
  }

  private func multiplyFewRows(_ product: MatrixProduct) {
    let rows = MatrixProduct.fewRows.first { product.m <= $0 }!
    let columns: Int, threads: Int, shared: Int
    if product.b.dtype.isDense {
      (columns, threads, shared) = (4, product.threadsAlongRow, 0)
    } else {
      let ring = BlockRing(rows: rows, product)
      (columns, threads, shared) = (4 * ring.columns, 128, ring.sharedBytes)
    }
    launch(
      product.fileOfFewRows, "hoof_matvec_\(product.a.dtype.name)_\(product.b.dtype.name)_\(rows)",
      grid: Grid(x: product.n.dividedUp(by: columns)), threads: threads, shared: shared, product.a.pointer, product.b.pointer,
      product.out.pointer, Int32(product.m), Int32(product.n), Int32(product.k), product.beta, product.flagsOfFewRows)
  }

  private func multiplyTiles(_ product: MatrixProduct) {
    let plan = TilePlan.fastest(product, precision, multiprocessors: device.multiprocessors)
    let tile = plan.tile
    let operation =
      switch product.transpose {
      case .right: "right"
      case .none: "none"
      case .left: "left"
      }
    let kernel = "hoof_matmul_\(operation)_\(tile.activations)_\(product.b.dtype.name)\(tile.suffix)"
    func launchTiles(into target: UInt64, beta: Float, _ flags: Int32) {
      launch(
        tile.file(product), kernel, grid: Grid(x: tile.count(m: product.m, n: product.n), y: plan.shares), threads: tile.threads,
        shared: tile.sharedBytes, product.a.pointer, product.b.pointer, target, Int32(product.m), Int32(product.n), Int32(product.k),
        Int32(plan.depth), beta, flags)
    }
    let flags = product.flagsOfOperands(tile)
    guard plan.shares > 1 else {
      return launchTiles(into: product.out.pointer, beta: product.beta, flags | product.flagOfOutput)
    }
    let count = product.m * product.n
    withScratch(byteCount: 4 * count * plan.shares) { shares in
      launchTiles(into: shares, beta: 0, flags)
      launch(
        .matmul, "hoof_matmul_reduce", grid: Grid(x: count.dividedUp(by: 256)), threads: 256, shares, product.out.pointer, Int64(count),
        Int32(plan.shares), product.beta, product.flagOfOutput)
    }
  }
}
