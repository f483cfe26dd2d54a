import TensorCore
import Transformer

/// Each op of the forward pass with its backward beside it.
extension Tape: Graph {
  public func parameter(_ tensor: Tensor) -> Variable {
    Variable(tensor: tensor, slot: Slot(origin: gradients.contains(tensor) ? .parameter(tensor) : .constant, of: tensor))
  }

  public func visit(_ site: Site, _ x: Variable) throws(BackendError) -> Variable {
    guard let visitor, visited.contains(site.point) else { return x }
    return try visitor(self, site, x)
  }

  public func embed(_ ids: Tensor, in table: Variable) throws(BackendError) -> Variable {
    let out = try table.tensor.gathered(at: ids)
    guard table.isRecorded else { return constant(out) }
    let table = table.slot
    return record(out) { (tape, dOut) throws(BackendError) in
      guard let sum = try tape.zeroed(table, on: ids.backend) else { return }
      ids.backend.scatterAddRows(dOut.tensor, at: ids, into: sum)
    }
  }

  public func linear(_ x: Variable, _ weight: Variable, rounded: Bool) throws(BackendError) -> Variable {
    let out = try x.tensor.linear(weight.tensor, as: rounded ? x.tensor.backend.activations : .f32)
    let product = try Product(x, weight, on: self)
    product.update?.add(to: out)
    guard product.isRecorded else { return constant(out) }
    return record(out) { (tape, dOut) throws(BackendError) in try product.backward(dOut.tensor, on: tape) }
  }

  public func scale(_ x: Variable, by factors: Variable) throws(BackendError) -> Variable { try mask(x, by: factors) }

  public func norm(_ x: Variable, weight: Variable, epsilon: Float) throws(BackendError) -> Variable {
    let (rows, scale) = (x.tensor, weight.tensor)
    let backend = rows.backend
    let out = try Tensor(rows.rows, rows.columns, backend.activations, on: backend)
    let inverseRMS = try Tensor(rows.rows, 1, on: backend)
    backend.rmsNorm(rows, weight: scale, epsilon: epsilon, into: out, inverseRMS: inverseRMS)
    guard x.isRecorded || weight.isRecorded else { return constant(out) }
    let (x, weight) = (x.slot, weight.slot)
    return record(out, gradientType: .f32) { (tape, dOut) throws(BackendError) in
      let dWeight = try tape.zeroed(weight, on: backend)
      try tape.add(to: [x], as: .f32, on: backend) {
        backend.rmsNormBackward(dOut.tensor, x: rows, weight: scale, inverseRMS: inverseRMS, dx: $0[0], dWeight: dWeight)
      }
    }
  }

  public func rotate(_ x: Variable, positions: Tensor, frequencies: Tensor, _ shape: RopeShape) throws(BackendError) -> Variable {
    let out = try x.tensor.rotated(positions: positions, frequencies: frequencies, shape)
    guard x.isRecorded else { return constant(out) }
    let (x, backend, dtype) = (x.slot, out.backend, out.dtype)
    return record(out) { (tape, dOut) throws(BackendError) in
      let dOut = try dOut.tensor.converted(to: dtype)
      try tape.add(to: [x], as: dtype, on: backend) {
        backend.rope(dOut, positions: positions, frequencies: frequencies, shape, inverse: true, into: $0[0])
      }
    }
  }

  public func attend(
    q: Variable, k: Variable, v: Variable, _ spans: Spans, _ shape: AttentionShape, layer: Int
  ) throws(BackendError) -> Variable {
    let (queries, keys, values) = (q.tensor, k.tensor, v.tensor)
    let backend = queries.backend
    let out = try queries.like()
    let logSumExp = try Tensor(queries.rows, shape.queryHeads, on: backend)
    backend.attention(q: queries, k: keys, v: values, spans, shape, into: out, logSumExp: logSumExp)
    guard q.isRecorded || k.isRecorded || v.isRecorded else { return constant(out) }
    let slots = [q.slot, k.slot, v.slot]
    return record(out) { (tape, dOut) throws(BackendError) in
      let dOut = try dOut.tensor.converted(to: out.dtype)
      try tape.add(to: slots, as: out.dtype, on: backend) {
        backend.attentionBackward(
          dOut, q: queries, k: keys, v: values, out: out, logSumExp: logSumExp, spans, shape, dq: $0[0], dk: $0[1], dv: $0[2])
      }
    }
  }

  public func gate(_ gate: Variable, _ up: Variable) throws(BackendError) -> Variable {
    let (gates, ups) = (gate.tensor, up.tensor)
    let backend = gates.backend
    let out = try gates.like()
    backend.swiGLU(gate: gates, up: ups, into: out)
    guard gate.isRecorded || up.isRecorded else { return constant(out) }
    let slots = [gate.slot, up.slot]
    return record(out) { (tape, dOut) throws(BackendError) in
      let dOut = try dOut.tensor.converted(to: gates.dtype)
      try tape.add(to: slots, as: gates.dtype, on: backend) {
        backend.swiGLUBackward(dOut, gate: gates, up: ups, dGate: $0[0], dUp: $0[1])
      }
    }
  }

  public func add(_ y: Variable, through weight: Variable, to x: Variable, at site: Site) throws(BackendError) -> Variable {
    if visitor != nil, visited.contains(site.point) { return try sum(x, visit(site, linear(y, weight, rounded: false))) }
    let out = try x.tensor.copied()
    out.backend.matmul(y.tensor, weight.tensor, transpose: .right, beta: 1, into: out)
    let product = try Product(y, weight, on: self)
    product.update?.add(to: out)
    guard product.isRecorded || x.isRecorded else { return constant(out) }
    let x = x.slot
    return record(out) { (tape, dOut) throws(BackendError) in
      try product.backward(dOut.tensor, on: tape)
      try tape.pass(dOut, to: x)
    }
  }

  /// x + y, both [N, C].
  public func sum(_ x: Variable, _ y: Variable) throws(BackendError) -> Variable {
    let out = try x.tensor.adding(y.tensor)
    guard x.isRecorded || y.isRecorded else { return constant(out) }
    let slots = [x.slot, y.slot]
    return record(out) { (tape, dOut) throws(BackendError) in
      for slot in slots { try tape.pass(Gradient(tensor: dOut.tensor, isShared: true), to: slot) }
    }
  }

  /// Column group g of x [N, G·D] scaled by mask[g]: for visitors that put a gate on heads (D columns), neurons (1) or a whole update (all).
  /// mask [1, G] f32, or [N, G].
  public func mask(_ x: Variable, by mask: Variable) throws(BackendError) -> Variable {
    let (values, factors) = (x.tensor, mask.tensor)
    let out = try values.masked(by: factors)
    guard x.isRecorded || mask.isRecorded else { return constant(out) }
    let (x, mask) = (x.slot, mask.slot)
    return record(out) { (tape, dOut) throws(BackendError) in
      let dOut = try dOut.tensor.converted(to: values.dtype)
      let dMask = try tape.zeroed(mask, on: values.backend)
      try tape.add(to: [x], as: values.dtype, on: values.backend) {
        values.backend.maskGroupsBackward(dOut, x: values, mask: factors, dx: $0[0], dMask: dMask)
      }
    }
  }

  /// For ops that always add: where to, cleared if nothing is there yet.
  func zeroed(_ slot: Slot, on backend: any ComputeBackend) throws(BackendError) -> Tensor? {
    guard let (out, beta) = try destination(for: slot, on: backend, as: .f32) else { return nil }
    if beta == 0 { backend.fill(out, with: 0) }
    return out
  }
}

/// The two gradients of x·weightᵀ: dx = dOut·weight, dWeight = dOutᵀ·x. With an adapter's update of the weight beside it, if there is one.
private struct Product {
  let x: Tape.Slot, weight: Tape.Slot
  /// What x's gradient is made with; nil when nobody wants that.
  let matrix: Tensor?
  /// What the weight's gradient is made with; nil when it is frozen.
  let rows: Tensor?
  let update: LowRankUpdate?
  let backend: any ComputeBackend

  init(_ x: Tape.Variable, _ weight: Tape.Variable, on tape: Tape) throws(BackendError) {
    (self.x, self.weight) = (x.slot, weight.slot)
    matrix = x.isRecorded ? weight.tensor : nil
    rows = weight.isRecorded ? x.tensor : nil
    update = try tape.update(of: weight.tensor, for: x.tensor)
    backend = x.tensor.backend
  }

  var isRecorded: Bool { x.isWanted || weight.isWanted || update?.isWanted ?? false }

  func backward(_ dOut: Tensor, on tape: Tape) throws(BackendError) {
    // Both products read rows of one type: the residual stream's gradient becomes an activation here.
    let dOut = try dOut.converted(to: x.dtype)
    if let matrix, let (dx, beta) = try tape.destination(for: x, on: backend) {
      backend.matmul(dOut, matrix, transpose: .none, beta: beta, into: dx)
    }
    if let rows, let (dWeight, beta) = try tape.destination(for: weight, on: backend, as: .f32) {
      backend.matmul(dOut, rows, transpose: .left, beta: beta, into: dWeight)
    }
    try update?.backward(dOut, to: x, on: tape)
  }
}

extension Tape {
  /// What the adapter adds to x·weightᵀ.
  fileprivate func update(of weight: Tensor, for x: Tensor) throws(BackendError) -> LowRankUpdate? {
    guard let adapter, let pair = adapter.pair(of: weight) else { return nil }
    return try LowRankUpdate(x, pair, dropping: adapter.settings.dropout, on: self)
  }
}

extension Tensor {
  /// Itself where the type is right.
  fileprivate func converted(to dtype: DType) throws(BackendError) -> Tensor { self.dtype == dtype ? self : try copied(as: dtype) }
}
