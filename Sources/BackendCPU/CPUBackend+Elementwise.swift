import CKernels
import TensorCore

extension CPUBackend {
  public func fill(_ out: Tensor, with value: Float) {
    Check.fill(out)
    switch out.dtype {
    case .f32: parallel(out.shape.count, grain: elementGrain) { hoof_fill(simd, out.f32 + $0.lowerBound, value, $0.count) }
    case .f16, .bf16:
      var bits: UInt16 = 0
      withUnsafePointer(to: value) { out.dtype == .f16 ? hoof_round_f16(simd, $0, &bits, 1) : hoof_round_bf16(simd, $0, &bits, 1) }
      out.raw.assumingMemoryBound(to: UInt16.self).update(repeating: bits, count: out.shape.count)
    case .i32, .q8_0, .q4_K: preconditionFailure("fill: \(out.shape) \(out.dtype.name)")
    }
  }

  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("add", a, b, into: out)
    combine(a, b, into: out, hoof_add)
  }

  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("multiply", a, b, into: out)
    combine(a, b, into: out, hoof_multiply)
  }

  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    Check.elementwise("addScaled", x, into: y)
    parallel(x.shape.count, grain: elementGrain) { hoof_add_scaled(simd, x.f32 + $0.lowerBound, alpha, y.f32 + $0.lowerBound, $0.count) }
  }

  public func sigmoid(_ x: Tensor, into out: Tensor) {
    Check.elementwise("sigmoid", x, into: out)
    parallel(x.shape.count, grain: elementGrain) { hoof_sigmoid(simd, x.f32 + $0.lowerBound, out.f32 + $0.lowerBound, $0.count) }
  }

  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    Check.elementwise("dropout", x, into: out)
    let rule = DropoutRule(keeping: keeping, seed: seed)
    withUnsafePointer(to: hoof_hash(rule.hash)) { keys in
      parallel(x.shape.count, grain: elementGrain) { part in
        hoof_dropout(
          simd, x.f32 + part.lowerBound, keys, rule.threshold, rule.scale, UInt64(part.lowerBound), out.f32 + part.lowerBound, part.count)
      }
    }
  }

  private typealias RowKernel = (hoof_simd, UnsafePointer<Float>?, UnsafePointer<Float>?, Int, UnsafeMutablePointer<Float>?, Int, Int) ->
    Void

  /// Equal shapes are one long row; a single row of b serves every row of a.
  private func combine(_ a: Tensor, _ b: Tensor, into out: Tensor, _ kernel: @escaping RowKernel) {
    if a.shape == b.shape {
      parallel(a.shape.count, grain: elementGrain) { part in
        kernel(simd, a.f32 + part.lowerBound, b.f32 + part.lowerBound, part.count, out.f32 + part.lowerBound, 1, part.count)
      }
    } else {
      parallelRows(a.rows, columns: a.columns) { part in
        let start = part.lowerBound * a.columns
        kernel(simd, a.f32 + start, b.f32, 0, out.f32 + start, part.count, a.columns)
      }
    }
  }

  var elementGrain: Int { 16_384 }
}
