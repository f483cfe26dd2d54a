/// What a student learns from: the text it reads, and what its teacher says about it.
public struct DistillationLoss: Sendable, Equatable {
  /// Weight of -ln q(target).
  public var crossEntropy: Float
  /// Weight of the divergence from the teacher, more than 0.
  public var divergence: Float
  /// τ of soft-max(logits / τ) on both sides of the divergence. The divergence is multiplied by τ², because its gradients shrink by as much
  /// (arXiv 1503.02531).
  public var temperature: Float

  public init(crossEntropy: Float, divergence: Float, temperature: Float) {
    precondition(crossEntropy >= 0 && divergence > 0 && temperature > 0, "distillation: weights or temperature below zero")
    self.crossEntropy = crossEntropy
    self.divergence = divergence
    self.temperature = temperature
  }

  /// What both sides of a row come to.
  public func total(loss: Double, divergence: Double) -> Double {
    Double(crossEntropy) * loss + Double(self.divergence * temperature * temperature) * divergence
  }
}

/// Per-row results of `linearDistillation`, each [N, 1] f32.
public struct DistillationRows: Sendable {
  /// -ln q(target) at temperature 1; 0 where the target is negative.
  public let losses: Tensor
  /// KL(teacher ‖ student) in nats at the loss' temperature, without its τ².
  public let divergences: Tensor

  public init(rows: Int, on backend: any ComputeBackend) throws(BackendError) {
    losses = try Tensor(rows, 1, on: backend)
    divergences = try Tensor(rows, 1, on: backend)
  }
}

/// Distillation over the LM heads, written once for all backends: products and row kernels over chunks of rows, so that no [N, V] exists.
extension ComputeBackend {
  /// Gradients of
  ///
  ///     scale · Σ_n  w_ce·(-ln q(target_n))  +  w_kl·τ²·KL(softmax(teacher_n / τ) ‖ softmax(student_n / τ))
  ///
  /// with student = hidden·weightᵀ and teacher = teacherHidden·teacherWeightᵀ, whose logits are computed once for both losses. Three buffers
  /// [rowsPerChunk, V] hold the teacher's logits, the student's, and the gradient. With bf16 rows the logits' gradient is rounded to bf16 for
  /// the two products it goes into, as `chunkedLinearCrossEntropy` does.
  /// - Parameters:
  ///   - hidden: [N, C], after the final norm; weight [V, C] of any type.
  ///   - teacherHidden: [N, D]; teacherWeight [V, D] of any type.
  ///   - targets: [N, 1] i32; a negative one has no cross-entropy, but its row has a divergence.
  ///   - dHidden: shaped like `hidden`, written.
  ///   - dWeight: [V, C] f32, accumulated into.
  public func linearDistillation(
    hidden: Tensor, weight: Tensor, teacherHidden: Tensor, teacherWeight: Tensor, targets: Tensor, loss: DistillationLoss, scale: Float,
    rowsPerChunk: Int, into rows: DistillationRows, dHidden: Tensor?, dWeight: Tensor?
  ) throws(BackendError) {
    Check.linearCrossEntropy(hidden: hidden, weight: weight, targets: targets, into: rows.losses, dHidden: dHidden, dWeight: dWeight)
    Check.teacher(hidden: teacherHidden, weight: teacherWeight, student: hidden, weight, into: rows.divergences)
    guard hidden.rows > 0 else { return }
    let chunk = min(rowsPerChunk, hidden.rows)
    let wanted = dHidden != nil || dWeight != nil
    let addsCrossEntropy = wanted && loss.crossEntropy > 0
    let student = try Tensor(chunk, weight.rows, on: self)
    let teacher = try Tensor(chunk, weight.rows, on: self)
    let gradient = addsCrossEntropy ? try Tensor(chunk, weight.rows, on: self) : nil
    let back = try HeadGradients(on: self, hidden: hidden, weight: weight, dHidden: dHidden, dWeight: dWeight, rowsPerChunk: chunk)
    let cooling = try loss.temperature == 1 ? nil : coolingFactors(1 / loss.temperature, columns: weight.rows)
    for start in stride(from: 0, to: hidden.rows, by: chunk) {
      let part = start..<min(start + chunk, hidden.rows)
      let (q, p) = (student.rows(0..<part.count), teacher.rows(0..<part.count))
      matmul(hidden.rows(part), weight, transpose: .right, beta: 0, into: q)
      matmul(teacherHidden.rows(part), teacherWeight, transpose: .right, beta: 0, into: p)
      let dLoss = gradient?.rows(0..<part.count)
      crossEntropy(
        logits: q, targets: targets.rows(part), scale: scale * loss.crossEntropy, into: rows.losses.rows(part), dLogits: dLoss)
      if let cooling {
        multiply(q, cooling, into: q)
        multiply(p, cooling, into: p)
      }
      // d(τ²·KL)/d(logits) = τ²·(1/τ)·(q - p)
      klDivergence(
        of: p, from: q, scale: scale * loss.divergence * loss.temperature, into: rows.divergences.rows(part), dQ: wanted ? q : nil)
      if let dLoss { addScaled(dLoss, by: 1, into: q) }
      back.take(q, part)
    }
  }

  private func coolingFactors(_ factor: Float, columns: Int) throws(BackendError) -> Tensor {
    let factors = try Tensor(1, columns, on: self)
    fill(factors, with: factor)
    return factors
  }
}
