import Synchronization

/// Another backend whose ops are timed one by one: the queue is waited for before and after each. The numbers stay the same, the whole
/// takes longer.
public final class ProfilingBackend: BackendDecorator {
  public let base: any ComputeBackend
  private let entries = Mutex<[String: OpProfile.Entry]>([:])
  /// The first failure of a wait that could not throw; comes out of the next `download` or `synchronize`.
  private let failure = Mutex<BackendError?>(nil)
  private let start = ContinuousClock.now

  public init(_ base: any ComputeBackend) { self.base = base }

  /// Where the time went since this was made.
  public func profile() -> OpProfile {
    OpProfile(
      entries: entries.withLock { $0.values.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) } },
      elapsed: (ContinuousClock.now - start) / .seconds(1))
  }

  public func synchronize() throws(BackendError) {
    let error = failure.withLock { error in
      defer { error = nil }
      return error
    }
    if let error { throw error }
    try base.synchronize()
  }

  private func wait() {
    do throws(BackendError) {
      try base.synchronize()
    } catch {
      failure.withLock { first in first = first ?? error }
    }
  }

  /// - Parameters:
  ///   - tensors: what is read and written once.
  ///   - flops: additions and multiplications of products; 0 for what memory bounds.
  private func timed<Failure>(
    _ name: String, _ tensors: [Tensor?], flops: Int = 0, _ op: () throws(Failure) -> Void
  ) throws(Failure) {
    wait()
    let begin = ContinuousClock.now
    try op()
    wait()
    let seconds = (ContinuousClock.now - begin) / .seconds(1)
    let bytes = tensors.reduce(0) { $0 + ($1?.byteCount ?? 0) }
    entries.withLock { $0[name, default: .init(name: name)].add(seconds, bytes, flops) }
  }

  /// Query-key pairs of a batch. The spans lie on the device; reading them is not part of the op's time.
  private func pairs(_ spans: Spans, _ shape: AttentionShape) -> Int {
    func integers(_ x: Tensor) -> [Int] {
      var values = [Int32](repeating: 0, count: x.rows)
      values.withUnsafeMutableBytes { bytes in
        do throws(BackendError) {
          try base.download(x, into: bytes)
        } catch {
          failure.withLock { first in first = first ?? error }
        }
      }
      return values.map(Int.init)
    }
    let (starts, counts) = (integers(spans.queryStarts), integers(spans.keyCounts))
    return counts.indices.reduce(0) { sum, sequence in
      let (queries, keys) = (starts[sequence + 1] - starts[sequence], counts[sequence])
      guard shape.causal else { return sum + queries * keys }
      // The last query sees every key, the ones before it one less each.
      let seeing = min(queries, keys)
      return sum + seeing * keys - seeing * (seeing - 1) / 2
    }
  }
}

extension ProfilingBackend {
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) {
    try timed("upload", [out]) { () throws(BackendError) in try base.upload(bytes, into: out) }
  }
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    try synchronize()
    try timed("download", [x]) { () throws(BackendError) in try base.download(x, into: bytes) }
  }

  public func copy(_ x: Tensor, into out: Tensor) {
    let types = x.dtype == out.dtype ? "" : " \(x.dtype.name) to \(out.dtype.name)"
    timed("copy\(types)", [x, out]) { base.copy(x, into: out) }
  }
  public func fill(_ out: Tensor, with value: Float) { timed("fill", [out]) { base.fill(out, with: value) } }
  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) { timed("add", [a, b, out]) { base.add(a, b, into: out) } }
  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    timed("addScaled", [x, y, y]) { base.addScaled(x, by: alpha, into: y) }
  }
  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    timed("multiply", [a, b, out]) { base.multiply(a, b, into: out) }
  }
  public func sigmoid(_ x: Tensor, into out: Tensor) { timed("sigmoid", [x, out]) { base.sigmoid(x, into: out) } }
  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    timed("dropout", [x, out]) { base.dropout(x, keeping: keeping, seed: seed, into: out) }
  }
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    let depth = transpose == .left ? a.rows : a.columns
    let weights = transpose == .left ? "" : " \(b.dtype.name) \(b.shape)"
    timed("matmul \(transpose)\(weights)", [a, b, out, beta == 0 ? nil : out], flops: 2 * out.shape.count * depth) {
      base.matmul(a, b, transpose: transpose, beta: beta, into: out)
    }
  }
  public func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor]) {
    let rows = weights.map { "\($0.rows)" }.joined(separator: "+")
    let types = Set(weights.map(\.dtype.name)).sorted().joined(separator: "/")
    let flops = outs.reduce(0) { $0 + 2 * $1.shape.count * a.columns }
    timed("matmuls \(types) [\(rows), \(a.columns)]", [a] + weights + outs, flops: flops) { base.matmuls(a, weights, into: outs) }
  }
  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    timed("gatherRows", [table.rows(0..<min(table.rows, out.rows)), ids, out]) { base.gatherRows(table, at: ids, into: out) }
  }
  public func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    let moved = out.rows(0..<min(out.rows, targets.rows))
    timed("copyRows", [moved, moved, sources, targets]) { base.copyRows(x, at: sources, into: out, at: targets) }
  }
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    timed("scatterAddRows", [x, x, x, ids]) { base.scatterAddRows(x, at: ids, into: table) }
  }
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    timed("columnSums", [x, out]) { base.columnSums(x, beta: beta, into: out) }
  }
  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) { timed("rowDots", [a, b, out]) { base.rowDots(a, b, into: out) } }
  public func rowLogSumExp(_ x: Tensor, into out: Tensor) { timed("rowLogSumExp", [x, out]) { base.rowLogSumExp(x, into: out) } }
  public func rowArgmax(_ x: Tensor, into out: Tensor) { timed("rowArgmax", [x, out]) { base.rowArgmax(x, into: out) } }
  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    timed("activationStatistics", [x, rowWeights, out]) {
      base.activationStatistics(x, rowWeights: rowWeights, threshold: threshold, into: out)
    }
  }
}

extension ProfilingBackend {
  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    timed("rmsNorm", [x, weight, out, inverseRMS]) { base.rmsNorm(x, weight: weight, epsilon: epsilon, into: out, inverseRMS: inverseRMS) }
  }
  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    timed("rmsNormBackward", [dOut, x, weight, inverseRMS, dx, dWeight]) {
      base.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    }
  }
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    timed("rope", [x, positions, frequencies, out]) {
      base.rope(x, positions: positions, frequencies: frequencies, shape, inverse: inverse, into: out)
    }
  }
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    timed("swiGLU", [gate, up, out]) { base.swiGLU(gate: gate, up: up, into: out) }
  }
  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    timed("swiGLUBackward", [dOut, gate, up, dGate, dUp]) { base.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp) }
  }
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    timed("attention", [q, k, v, out, logSumExp], flops: 4 * pairs(spans, shape) * q.columns) {
      base.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp)
    }
  }
  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    timed("attentionBackward", [dOut, q, k, v, out, logSumExp, dq, dk, dv], flops: 10 * pairs(spans, shape) * q.columns) {
      base.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    }
  }
  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    timed("maskGroups", [x, mask, out]) { base.maskGroups(x, by: mask, into: out) }
  }
  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    timed("maskGroupsBackward", [dOut, x, mask, dx, dMask]) { base.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask) }
  }
  public func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    timed("crossEntropy", [logits, targets, losses, dLogits]) {
      base.crossEntropy(logits: logits, targets: targets, scale: scale, into: losses, dLogits: dLogits)
    }
  }
  public func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    timed("klDivergence", [p, q, divergences, dQ]) { base.klDivergence(of: p, from: q, scale: scale, into: divergences, dQ: dQ) }
  }
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    timed("adamW", [parameter, gradient, first, first, second, second, master, master ?? parameter]) {
      base.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
    }
  }
  public func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW) {
    let moments = [first.codes, first.scales, second.codes, second.scales]
    timed("adamW8bit", [parameter, gradient, master, master ?? parameter] + moments + moments) {
      base.adamW8bit(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
    }
  }
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    let (kept, recomputed) =
      switch reference {
      case .logits(let logits): (logits, 0)
      case .hidden(let states): (states, states.rows)
      }
    try timed(
      "linearDivergence \(weight.dtype.name) \(weight.shape)", [kept, hidden, weight, rows.divergences, rows.losses, rows.winners],
      flops: 2 * (hidden.rows + recomputed) * weight.shape.count
    ) { () throws(BackendError) in
      try base.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
    }
  }
  public func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    let products = 1 + (dHidden == nil ? 0 : 1) + (dWeight == nil ? 0 : 1)
    try timed(
      "linearCrossEntropy \(weight.dtype.name) \(weight.shape)", [hidden, weight, losses, dHidden, dWeight, dWeight],
      flops: 2 * products * hidden.rows * weight.shape.count
    ) { () throws(BackendError) in
      try base.linearCrossEntropy(
        hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
        dWeight: dWeight)
    }
  }
}
