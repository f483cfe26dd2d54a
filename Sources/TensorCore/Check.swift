/// Shape rules of every op, in one place. A violation is a mistake in this program: it traps and names the op and the shapes.
public enum Check {
  @inline(__always)
  private static func require(_ holds: Bool, _ op: StaticString, _ tensors: [Tensor?]) {
    // Not a precondition: those lose their message in release builds, and the shapes are what a bug report needs.
    if !holds {
      let shapes = tensors.map { $0.map { "\($0.shape) \($0.dtype.name)" } ?? "nil" }
      fatalError("\(op): \(shapes.joined(separator: ", "))")
    }
  }

  private static func same(_ a: Tensor, _ b: Tensor) -> Bool { a.shape == b.shape }
  private static func floats(_ tensors: Tensor?...) -> Bool { tensors.allSatisfy { $0 == nil || $0!.dtype == .f32 } }
  /// All of one type that flows between ops: f32, or bf16 where the device keeps activations so.
  private static func activations(_ tensors: Tensor?...) -> Bool {
    guard let first = tensors.lazy.compactMap({ $0 }).first, first.dtype != .f32 else {
      return tensors.allSatisfy { $0?.dtype ?? .f32 == .f32 }
    }
    return first.dtype == .bf16 && tensors.allSatisfy { $0?.dtype ?? .bf16 == .bf16 } && first.backend.activations == .bf16
  }
  /// Whether the types are one of `mixes`, written as in the table above `ComputeBackend`, or all f32.
  private static func types(_ tensors: [Tensor?], _ mixes: StaticString...) -> Bool {
    let present = tensors.compactMap { $0 }
    if present.allSatisfy({ $0.dtype == .f32 }) { return true }
    return present[0].backend.activations == .bf16
      && mixes.contains { mix in
        mix.utf8CodeUnitCount == present.count
          && present.indices.allSatisfy { present[$0].dtype == (mix.utf8Start[$0] == UInt8(ascii: "b") ? .bf16 : .f32) }
      }
  }
  private static func column(_ x: Tensor, _ rows: Int, _ dtype: DType = .f32) -> Bool {
    x.rows == rows && x.columns == 1 && x.dtype == dtype
  }

  public static func copy(_ x: Tensor, into out: Tensor) {
    require(same(x, out) && (out.dtype.isDense || x.dtype == out.dtype) && (x.dtype == .i32) == (out.dtype == .i32), "copy", [x, out])
  }
  public static func fill(_ out: Tensor) { require(out.dtype.isDense && out.dtype != .i32, "fill", [out]) }
  public static func elementwise(_ op: StaticString, _ a: Tensor, _ b: Tensor? = nil, into out: Tensor) {
    let fits = b.map { same(a, $0) || ($0.rows == 1 && $0.columns == a.columns) } ?? true
    require(fits && same(a, out) && (floats(a, b, out) || mixes("\(op)", [a, b, out])), op, [a, b, out])
  }
  private static func mixes(_ op: String, _ tensors: [Tensor?]) -> Bool {
    switch op {
    case "add": types(tensors, "bbb", "bfb", "fbf")
    case "multiply": types(tensors, "bbb", "bfb")
    case "addScaled": types(tensors, "bb", "bf")
    default: types(tensors, "bb")
    }
  }
  public static func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, into out: Tensor) {
    let fits =
      switch transpose {
      case .none: a.columns == b.rows && out.rows == a.rows && out.columns == b.columns
      case .left: a.rows == b.rows && out.rows == a.columns && out.columns == b.columns && b.dtype == a.dtype
      case .right: a.columns == b.columns && out.rows == a.rows && out.columns == b.rows
      }
    let types = types([a, out], "bb", "bf") && (transpose != .left || out.dtype == .f32)
    require(fits && types && b.dtype != .i32, "matmul", [a, b, out])
  }
  public static func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    require(
      column(ids, out.rows, .i32) && table.columns == out.columns && activations(out) && table.dtype != .i32, "gatherRows",
      [table, ids, out])
  }
  public static func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    let ids = targets.columns == 1 && targets.dtype == .i32 && (sources.map { column($0, targets.rows, .i32) } ?? (x.rows == targets.rows))
    require(ids && x.columns == out.columns && x.dtype == out.dtype && x.dtype.isDense, "copyRows", [x, sources, out, targets])
  }
  public static func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    require(column(ids, x.rows, .i32) && table.columns == x.columns && activations(x) && floats(table), "scatterAddRows", [x, ids, table])
  }
  public static func columnSums(_ x: Tensor, into out: Tensor) {
    require(out.rows == 1 && out.columns == x.columns && activations(x) && floats(out), "columnSums", [x, out])
  }
  public static func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    require(same(a, b) && column(out, a.rows) && activations(a, b), "rowDots", [a, b, out])
  }
  public static func rowLogSumExp(_ x: Tensor, into out: Tensor) { require(column(out, x.rows) && floats(x), "rowLogSumExp", [x, out]) }
  public static func rowArgmax(_ x: Tensor, into out: Tensor) {
    require(column(out, x.rows, .i32) && floats(x) && x.columns > 0, "rowArgmax", [x, out])
  }
  public static func activationStatistics(_ x: Tensor, rowWeights: Tensor, into out: Tensor) {
    let fits = column(rowWeights, x.rows) && out.rows == ActivationStatistic.allCases.count && out.columns == x.columns
    require(fits && activations(x) && floats(out), "activationStatistics", [x, rowWeights, out])
  }
  public static func rmsNorm(_ x: Tensor, weight: Tensor, into out: Tensor, inverseRMS: Tensor) {
    let fits = same(x, out) && weight.rows == 1 && weight.columns == x.columns && column(inverseRMS, x.rows)
    require(fits && floats(x, weight) && activations(out), "rmsNorm", [x, weight, out, inverseRMS])
  }
  public static func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    let fits = same(x, dOut) && same(x, dx) && weight.rows == 1 && weight.columns == x.columns && column(inverseRMS, x.rows)
    require(
      fits && (dWeight.map { same($0, weight) } ?? true) && activations(dOut) && floats(x, weight, dx, dWeight), "rmsNormBackward",
      [dOut, x, weight, inverseRMS, dx, dWeight])
  }
  public static func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, into out: Tensor) {
    let fits =
      same(x, out) && column(positions, x.rows, .i32) && shape.headDim > 0 && shape.headDim % 2 == 0 && x.columns % shape.headDim == 0
      && frequencies.rows == 1 && frequencies.columns == shape.headDim / 2
    require(fits && types([x, out], "bb", "fb") && floats(frequencies), "rope", [x, positions, frequencies, out])
  }
  public static func swiGLU(_ tensors: Tensor...) {
    require(tensors.allSatisfy { same($0, tensors[0]) && activations($0, tensors[0]) }, "swiGLU", tensors)
  }
  public static func attention(
    q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, out: Tensor, logSumExp: Tensor
  ) {
    let heads = shape.keyHeads > 0 && shape.queryHeads % shape.keyHeads == 0
    let fits =
      heads && q.columns == shape.queryHeads * shape.headDim && k.columns == shape.keyHeads * shape.headDim && same(k, v) && same(q, out)
      && logSumExp.rows == q.rows && logSumExp.columns == shape.queryHeads
    let batch =
      column(spans.queryStarts, spans.count + 1, .i32) && column(spans.keyStarts, spans.count, .i32)
      && column(spans.keyCounts, spans.count, .i32)
    require(fits && batch && activations(q, k, v, out) && floats(logSumExp), "attention", [q, k, v, out, logSumExp, spans.queryStarts])
  }
  public static func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape,
    dq: Tensor, dk: Tensor, dv: Tensor
  ) {
    attention(q: q, k: k, v: v, spans, shape, out: out, logSumExp: logSumExp)
    require(
      same(dOut, q) && same(dq, q) && same(dk, k) && same(dv, v) && activations(q, dOut, dq, dk, dv), "attentionBackward",
      [dOut, dq, dk, dv])
  }
  public static func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    let fits = same(x, out) && (mask.rows == 1 || mask.rows == x.rows) && mask.columns > 0 && x.columns % mask.columns == 0
    require(fits && activations(x, out) && floats(mask), "maskGroups", [x, mask, out])
  }
  public static func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    maskGroups(x, by: mask, into: dx)
    require(
      same(dOut, x) && (dMask.map { same($0, mask) } ?? true) && activations(x, dOut) && floats(dMask), "maskGroupsBackward",
      [dOut, x, mask, dx, dMask])
  }
  public static func crossEntropy(logits: Tensor, targets: Tensor, into losses: Tensor, dLogits: Tensor?) {
    let fits = column(targets, logits.rows, .i32) && column(losses, logits.rows) && (dLogits.map { same($0, logits) } ?? true)
    require(fits && floats(logits, dLogits), "crossEntropy", [logits, targets, losses, dLogits])
  }
  public static func klDivergence(of p: Tensor, from q: Tensor, into divergences: Tensor, dQ: Tensor?) {
    require(
      same(p, q) && column(divergences, p.rows) && (dQ.map { same($0, q) } ?? true) && floats(p, q, dQ), "klDivergence",
      [p, q, divergences, dQ])
  }
  public static func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?) {
    let fits =
      same(parameter, gradient) && same(parameter, first) && same(parameter, second) && (master.map { same($0, parameter) } ?? true)
    require(
      fits && floats(gradient, first, second, master) && isTrainable(parameter), "adamW", [parameter, gradient, first, second, master])
  }
  public static func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?) {
    let blocks = BlockMoment.blocks(parameter.shape)
    let moments = [first, second].allSatisfy {
      $0.codes.shape == (blocks, BlockMoment.elements / 4) && $0.codes.dtype == .i32 && column($0.scales, blocks)
    }
    let fits = same(parameter, gradient) && (master.map { same($0, parameter) } ?? true) && moments
    require(
      fits && floats(gradient, master) && isTrainable(parameter), "adamW8bit",
      [parameter, gradient, first.codes, first.scales, second.codes, second.scales, master])
  }
  private static func isTrainable(_ parameter: Tensor) -> Bool { parameter.dtype.isDense && parameter.dtype != .i32 }
  public static func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, into rows: DivergenceRows
  ) {
    let count = reference.rows
    let width =
      switch reference {
      case .logits(let logits): logits.columns == weight.rows && logits.dtype == .f32
      case .hidden(let states): states.columns == weight.columns && states.dtype == hidden.dtype
      }
    let fits =
      width && hidden.columns == weight.columns && (count == 0 ? hidden.rows == 0 : hidden.rows % count == 0)
      && column(targets, count, .i32)
      && column(rows.divergences, hidden.rows) && column(rows.losses, hidden.rows) && column(rows.winners, hidden.rows, .i32)
    require(fits && activations(hidden), "linearDivergence", [hidden, weight, targets, rows.divergences, rows.losses, rows.winners])
  }
  public static func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, into losses: Tensor, dHidden: Tensor?, dWeight: Tensor?
  ) {
    let fits = hidden.columns == weight.columns && column(targets, hidden.rows, .i32) && column(losses, hidden.rows)
    let gradients = (dHidden.map { same($0, hidden) } ?? true) && (dWeight.map { same($0, weight) } ?? true)
    require(
      fits && gradients && activations(hidden, dHidden) && floats(dWeight), "linearCrossEntropy",
      [hidden, weight, targets, losses, dHidden, dWeight])
  }
  /// Of `linearDistillation`, beside `linearCrossEntropy`.
  public static func teacher(hidden: Tensor, weight: Tensor, student: Tensor, _ head: Tensor, into divergences: Tensor) {
    let fits = hidden.rows == student.rows && hidden.columns == weight.columns && weight.rows == head.rows
    require(
      fits && activations(student, hidden) && column(divergences, student.rows), "linearDistillation",
      [hidden, weight, student, head, divergences])
  }
}
