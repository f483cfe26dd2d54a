import Synchronization

/// bf16 activations on a backend that computes in f32: inputs are widened, the op runs in f32, results are rounded once when they are stored.
/// These are the rounding points of a GPU in bf16 precision (which besides rounds softmax weights inside attention, and sums in another
/// order), so a study through this backend shows what bf16 does to its numbers, and needs no GPU.
///
/// Ops cannot throw, so scratch that finds no memory makes the op do nothing; the error comes out of the next `download` or `synchronize`,
/// as a device's does.
public final class MixedPrecisionBackend: BackendDecorator {
  public let base: any ComputeBackend
  private let failure = Mutex<BackendError?>(nil)

  public init(_ base: any ComputeBackend) {
    precondition(base.activations == .f32, "mixed precision: \(base.name) has \(base.activations.name) activations of its own")
    self.base = base
  }

  /// "cpu (avx2, 2 threads, bf16 activations)"
  public var name: String {
    base.name.hasSuffix(")") ? "\(base.name.dropLast()), bf16 activations)" : "\(base.name) (bf16 activations)"
  }
  public var activations: DType { .bf16 }
  public func weights(storedAs dtype: DType) -> DType { dtype == .f32 || dtype == .f16 ? .bf16 : dtype }

  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    try throwFailure()
    try base.download(x, into: bytes)
  }

  public func synchronize() throws(BackendError) {
    try throwFailure()
    try base.synchronize()
  }

  private func throwFailure() throws(BackendError) {
    let error = failure.withLock { error in
      defer { error = nil }
      return error
    }
    if let error { throw error }
  }

  /// Runs an op of the base on f32 in place of bf16: `inputs` are read, `outputs` written, `updates` both.
  private func widened(inputs: [Tensor] = [], updates: [Tensor] = [], outputs: [Tensor] = [], _ op: ([Tensor], [Tensor]) -> Void) {
    do throws(BackendError) {
      var read: [Tensor] = []
      for x in inputs { read.append(x.dtype == .bf16 ? try x.copied(as: .f32) : x) }
      var written: [Tensor] = []
      for x in updates { written.append(x.dtype == .bf16 ? try x.copied(as: .f32) : x) }
      for x in outputs { written.append(x.dtype == .bf16 ? try Tensor(x.rows, x.columns, on: self) : x) }
      op(read, written)
      for (x, wide) in zip(updates + outputs, written) where x.dtype == .bf16 { base.copy(wide, into: x) }
    } catch {
      failure.withLock { first in first = first ?? error }
    }
  }
}

extension MixedPrecisionBackend {
  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("add", a, b, into: out)
    widened(inputs: [a, b], outputs: [out]) { base.add($0[0], $0[1], into: $1[0]) }
  }
  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    Check.elementwise("addScaled", x, into: y)
    widened(inputs: [x], updates: [y]) { base.addScaled($0[0], by: alpha, into: $1[0]) }
  }
  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("multiply", a, b, into: out)
    widened(inputs: [a, b], outputs: [out]) { base.multiply($0[0], $0[1], into: $1[0]) }
  }
  public func sigmoid(_ x: Tensor, into out: Tensor) {
    Check.elementwise("sigmoid", x, into: out)
    widened(inputs: [x], outputs: [out]) { base.sigmoid($0[0], into: $1[0]) }
  }
  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    Check.elementwise("dropout", x, into: out)
    widened(inputs: [x], outputs: [out]) { base.dropout($0[0], keeping: keeping, seed: seed, into: $1[0]) }
  }
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    Check.matmul(a, b, transpose: transpose, into: out)
    // Weights stay as they are stored; a gradient's product has activations on both sides.
    let inputs = transpose == .left ? [a, b] : [a]
    let op = { (read: [Tensor], written: [Tensor]) in
      self.base.matmul(read[0], transpose == .left ? read[1] : b, transpose: transpose, beta: beta, into: written[0])
    }
    if beta == 0 { widened(inputs: inputs, outputs: [out], op) } else { widened(inputs: inputs, updates: [out], op) }
  }
  public func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor]) {
    for (weight, out) in zip(weights, outs) { Check.matmul(a, weight, transpose: .right, into: out) }
    widened(inputs: [a], outputs: outs) { base.matmuls($0[0], weights, into: $1) }
  }
  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    Check.gatherRows(table, at: ids, into: out)
    widened(outputs: [out]) { base.gatherRows(table, at: ids, into: $1[0]) }
  }
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    Check.scatterAddRows(x, at: ids, into: table)
    widened(inputs: [x]) { read, _ in base.scatterAddRows(read[0], at: ids, into: table) }
  }
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    Check.columnSums(x, into: out)
    widened(inputs: [x]) { read, _ in base.columnSums(read[0], beta: beta, into: out) }
  }
  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.rowDots(a, b, into: out)
    widened(inputs: [a, b]) { read, _ in base.rowDots(read[0], read[1], into: out) }
  }
  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    Check.activationStatistics(x, rowWeights: rowWeights, into: out)
    widened(inputs: [x]) { read, _ in base.activationStatistics(read[0], rowWeights: rowWeights, threshold: threshold, into: out) }
  }
  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    Check.rmsNorm(x, weight: weight, into: out, inverseRMS: inverseRMS)
    widened(outputs: [out]) { base.rmsNorm(x, weight: weight, epsilon: epsilon, into: $1[0], inverseRMS: inverseRMS) }
  }
  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    Check.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    widened(inputs: [dOut]) { read, _ in
      base.rmsNormBackward(read[0], x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    }
  }
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    Check.rope(x, positions: positions, frequencies: frequencies, shape, into: out)
    widened(inputs: [x], outputs: [out]) {
      base.rope($0[0], positions: positions, frequencies: frequencies, shape, inverse: inverse, into: $1[0])
    }
  }
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    Check.swiGLU(gate, up, out)
    widened(inputs: [gate, up], outputs: [out]) { base.swiGLU(gate: $0[0], up: $0[1], into: $1[0]) }
  }
  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    Check.swiGLU(dOut, gate, up, dGate, dUp)
    widened(inputs: [dOut, gate, up], outputs: [dGate, dUp]) {
      base.swiGLUBackward($0[0], gate: $0[1], up: $0[2], dGate: $1[0], dUp: $1[1])
    }
  }
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    Check.attention(q: q, k: k, v: v, spans, shape, out: out, logSumExp: logSumExp)
    widened(inputs: [q, k, v], outputs: [out]) {
      base.attention(q: $0[0], k: $0[1], v: $0[2], spans, shape, into: $1[0], logSumExp: logSumExp)
    }
  }
  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    Check.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    widened(inputs: [dOut, q, k, v, out], outputs: [dq, dk, dv]) {
      base.attentionBackward(
        $0[0], q: $0[1], k: $0[2], v: $0[3], out: $0[4], logSumExp: logSumExp, spans, shape, dq: $1[0], dk: $1[1], dv: $1[2])
    }
  }
  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    Check.maskGroups(x, by: mask, into: out)
    widened(inputs: [x], outputs: [out]) { base.maskGroups($0[0], by: mask, into: $1[0]) }
  }
  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    Check.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
    widened(inputs: [dOut, x], outputs: [dx]) { base.maskGroupsBackward($0[0], x: $0[1], mask: mask, dx: $1[0], dMask: dMask) }
  }
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    try chunkedLinearDivergence(of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
  }
  public func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    try chunkedLinearCrossEntropy(
      hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: dWeight)
  }
}
