import TensorCore
import TensorTesting

/// The reference with the protocol's own chunked `linearDivergence` and `linearCrossEntropy` in place of its definitions: shows that the
/// chunking, which every backend without fused losses uses, is right by itself.
final class ChunkedReference: ComputeBackend {
  private let base = ReferenceBackend()
  let name = "reference, chunked losses"

  func memory() -> (total: Int, free: Int) { base.memory() }
  func stores(_ dtype: DType) -> Bool { true }
  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress { try base.allocate(byteCount: byteCount) }
  func deallocate(_ address: DeviceAddress, byteCount: Int) { base.deallocate(address, byteCount: byteCount) }
  func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? { base.adopt(bytes) }
  func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) { try base.upload(bytes, into: out) }
  func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) { try base.download(x, into: bytes) }
  func synchronize() throws(BackendError) {}

  func copy(_ x: Tensor, into out: Tensor) {
    base.copy(x, into: out)
  }
  func fill(_ out: Tensor, with value: Float) {
    base.fill(out, with: value)
  }
  func add(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    base.add(a, b, into: out)
  }
  func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    base.addScaled(x, by: alpha, into: y)
  }
  func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    base.multiply(a, b, into: out)
  }
  func sigmoid(_ x: Tensor, into out: Tensor) {
    base.sigmoid(x, into: out)
  }
  func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    base.matmul(a, b, transpose: transpose, beta: beta, into: out)
  }
  func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    base.gatherRows(table, at: ids, into: out)
  }
  func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    base.scatterAddRows(x, at: ids, into: table)
  }
  func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    base.columnSums(x, beta: beta, into: out)
  }
  func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    base.rowDots(a, b, into: out)
  }
  func rowLogSumExp(_ x: Tensor, into out: Tensor) {
    base.rowLogSumExp(x, into: out)
  }
  func rowArgmax(_ x: Tensor, into out: Tensor) {
    base.rowArgmax(x, into: out)
  }
  func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    base.activationStatistics(x, rowWeights: rowWeights, threshold: threshold, into: out)
  }
  func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    base.rmsNorm(x, weight: weight, epsilon: epsilon, into: out, inverseRMS: inverseRMS)
  }
  func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    base.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
  }
  func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    base.rope(x, positions: positions, frequencies: frequencies, shape, inverse: inverse, into: out)
  }
  func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    base.swiGLU(gate: gate, up: up, into: out)
  }
  func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    base.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp)
  }
  func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    base.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp)
  }
  func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    base.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
  }
  func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    base.maskGroups(x, by: mask, into: out)
  }
  func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    base.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
  }
  func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    base.crossEntropy(logits: logits, targets: targets, scale: scale, into: losses, dLogits: dLogits)
  }
  func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    base.klDivergence(of: p, from: q, scale: scale, into: divergences, dQ: dQ)
  }
  func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    base.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
  }
}
