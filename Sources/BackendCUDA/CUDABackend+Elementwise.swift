import TensorCore

extension CUDABackend {
  public func fill(_ out: Tensor, with value: Float) {
    Check.fill(out)
    launch(
      .elementwise, "hoof_fill_\(out.dtype.name)", grid: CUDABackend.elements(out.shape.count), threads: CUDABackend.elementThreads,
      out.pointer, value, Int64(out.shape.count))
  }

  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("add", a, b, into: out)
    combine("add", a, b, into: out)
  }

  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("multiply", a, b, into: out)
    combine("multiply", a, b, into: out)
  }

  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    Check.elementwise("addScaled", x, into: y)
    launch(
      .elementwise, "hoof_add_scaled_\(x.dtype.name)_\(y.dtype.name)", grid: CUDABackend.elements(x.shape.count),
      threads: CUDABackend.elementThreads, x.pointer, alpha, y.pointer, Int64(x.shape.count))
  }

  public func sigmoid(_ x: Tensor, into out: Tensor) {
    Check.elementwise("sigmoid", x, into: out)
    launch(
      .elementwise, "hoof_sigmoid_\(x.dtype.name)", grid: CUDABackend.elements(x.shape.count), threads: CUDABackend.elementThreads,
      x.pointer, out.pointer, Int64(x.shape.count))
  }

  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    Check.elementwise("dropout", x, into: out)
    let rule = DropoutRule(keeping: keeping, seed: seed)
    launch(
      .elementwise, "hoof_dropout_\(x.dtype.name)", grid: CUDABackend.elements(x.shape.count), threads: CUDABackend.elementThreads,
      x.pointer, out.pointer, Int64(x.shape.count), rule.hash.first, rule.hash.second, rule.threshold, rule.scale)
  }

  /// A single row of b serves every row of a.
  func combine(_ op: String, _ a: Tensor, _ b: Tensor, into out: Tensor) {
    let types = "\(a.dtype.name)_\(b.dtype.name)_\(out.dtype.name)"
    let (grid, threads) = (CUDABackend.elements(a.shape.count), CUDABackend.elementThreads)
    if a.shape == b.shape {
      launch(
        .elementwise, "hoof_\(op)_\(types)", grid: grid, threads: threads, a.pointer, b.pointer, out.pointer, Int64(a.shape.count))
    } else {
      launch(
        .elementwise, "hoof_\(op)_row_\(types)", grid: grid, threads: threads, a.pointer, b.pointer, out.pointer, Int64(a.shape.count),
        UInt32(a.columns))
    }
  }
}
