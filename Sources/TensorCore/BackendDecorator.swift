/// A backend around another one: what a conforming class does not write itself goes to `base` as it is. Tensors belong to the decorator and
/// lie in the base's memory.
public protocol BackendDecorator: ComputeBackend {
  var base: any ComputeBackend { get }
}

extension BackendDecorator {
  public var name: String { base.name }
  public var details: [(name: String, value: String)] { base.details }
  public func memory() -> (total: Int, free: Int) { base.memory() }
  public func stores(_ dtype: DType) -> Bool { base.stores(dtype) }
  public var activations: DType { base.activations }
  public func weights(storedAs dtype: DType) -> DType { base.weights(storedAs: dtype) }
  public var usefulRows: Int? { base.usefulRows }

  public func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress { try base.allocate(byteCount: byteCount) }
  public func deallocate(_ address: DeviceAddress, byteCount: Int) { base.deallocate(address, byteCount: byteCount) }
  public func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? { base.adopt(bytes) }
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) { try base.upload(bytes, into: out) }
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) { try base.download(x, into: bytes) }
  public func synchronize() throws(BackendError) { try base.synchronize() }

  public func copy(_ x: Tensor, into out: Tensor) { base.copy(x, into: out) }
  public func fill(_ out: Tensor, with value: Float) { base.fill(out, with: value) }
  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) { base.add(a, b, into: out) }
  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) { base.addScaled(x, by: alpha, into: y) }
  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) { base.multiply(a, b, into: out) }
  public func sigmoid(_ x: Tensor, into out: Tensor) { base.sigmoid(x, into: out) }
  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    base.dropout(x, keeping: keeping, seed: seed, into: out)
  }
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    base.matmul(a, b, transpose: transpose, beta: beta, into: out)
  }
  public func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor]) { base.matmuls(a, weights, into: outs) }
  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) { base.gatherRows(table, at: ids, into: out) }
  public func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    base.copyRows(x, at: sources, into: out, at: targets)
  }
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) { base.scatterAddRows(x, at: ids, into: table) }
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) { base.columnSums(x, beta: beta, into: out) }
  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) { base.rowDots(a, b, into: out) }
  public func rowLogSumExp(_ x: Tensor, into out: Tensor) { base.rowLogSumExp(x, into: out) }
  public func rowArgmax(_ x: Tensor, into out: Tensor) { base.rowArgmax(x, into: out) }
  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    base.activationStatistics(x, rowWeights: rowWeights, threshold: threshold, into: out)
  }

  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    base.rmsNorm(x, weight: weight, epsilon: epsilon, into: out, inverseRMS: inverseRMS)
  }
  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    base.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
  }
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    base.rope(x, positions: positions, frequencies: frequencies, shape, inverse: inverse, into: out)
  }
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) { base.swiGLU(gate: gate, up: up, into: out) }
  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    base.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp)
  }
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    base.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp)
  }
  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    base.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
  }
  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) { base.maskGroups(x, by: mask, into: out) }
  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    base.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
  }
  public func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    base.crossEntropy(logits: logits, targets: targets, scale: scale, into: losses, dLogits: dLogits)
  }
  public func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    base.klDivergence(of: p, from: q, scale: scale, into: divergences, dQ: dQ)
  }
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    base.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
  }
  public func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW) {
    base.adamW8bit(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
  }
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    try base.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
  }
  public func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    try base.linearCrossEntropy(
      hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: dWeight)
  }
}
