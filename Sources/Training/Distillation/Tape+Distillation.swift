import TensorCore

extension Tape {
  /// Cross-entropy of the next token and divergence from the teacher, over the scored rows:
  ///
  ///     scale · Σ  w_ce·(-ln q(target))  +  w_kl·τ²·KL(softmax(teacher / τ) ‖ softmax(student / τ))
  ///
  /// (arXiv 1503.02531, 2407.14679). It seeds the tape at once, like `crossEntropy`. Only scored rows meet the LM heads: where answers alone
  /// are learned, the questions cost nothing here.
  /// - Parameters:
  ///   - hidden: the student's rows behind its final norm, [N, C].
  ///   - head: the student's, [V, C].
  ///   - teacher: what it says about the same rows.
  ///   - targets: one for each row; a negative one is not scored.
  ///   - scale: 1 / (scored tokens) for their mean.
  /// - Returns: both losses of every scored row, [S, 1] in their order, unscaled.
  public func distillation(
    of hidden: Variable, head: Variable, teacher: TeacherRows, targets: [Int32], loss: DistillationLoss, scale: Float, rowsPerChunk: Int
  ) throws(BackendError) -> DistillationRows {
    precondition(targets.count == hidden.tensor.rows, "distillation: \(targets.count) targets for \(hidden.tensor.shape)")
    let backend = hidden.tensor.backend
    let scored = targets.indices.filter { targets[$0] >= 0 }.map { Int32($0) }
    let places = scored.count == targets.count ? nil : try Tensor(scored, on: backend)
    let student = try hidden.tensor.picked(places)
    let rows = try DistillationRows(rows: scored.count, on: backend)
    let dStudent = hidden.isRecorded ? try student.like() : nil
    try backend.linearDistillation(
      hidden: student, weight: head.tensor, teacherHidden: teacher.hidden.picked(places), teacherWeight: teacher.head,
      targets: Tensor(scored.map { targets[Int($0)] }, on: backend), loss: loss, scale: scale, rowsPerChunk: rowsPerChunk, into: rows,
      dHidden: dStudent, dWeight: zeroed(head.slot, on: backend))
    if let dStudent { try pass(Gradient(tensor: dStudent.spread(places, rows: targets.count), isShared: false), to: hidden.slot) }
    return rows
  }
}

extension Tensor {
  /// These rows of it in their own type; nil for all.
  fileprivate func picked(_ places: Tensor?) throws(BackendError) -> Tensor {
    guard let places else { return self }
    let out = try Tensor(places.rows, columns, dtype, on: backend)
    backend.gatherRows(self, at: places, into: out)
    return out
  }

  /// Its rows at `places` of `rows` rows that are zero elsewhere, f32; itself without places.
  fileprivate func spread(_ places: Tensor?, rows: Int) throws(BackendError) -> Tensor {
    guard let places else { return self }
    let out = try Tensor(rows, columns, on: backend)
    backend.fill(out, with: 0)
    backend.scatterAddRows(self, at: places, into: out)
    return out
  }
}
