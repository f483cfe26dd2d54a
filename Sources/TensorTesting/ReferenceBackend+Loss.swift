import Glibc
import TensorCore

extension Definition {
  /// losses[n] = -ln softmax(logits[n])[target]; dLogits = scale·(softmax - onehot). A negative target gives zeros.
  public static func crossEntropy(logits: Matrix, targets: [Int], scale: Double) -> (losses: Matrix, dLogits: Matrix) {
    var (losses, dLogits) = (Matrix(logits.rows, 1), Matrix(logits.rows, logits.columns))
    for row in 0..<logits.rows where targets[row] >= 0 {
      let total = logSumExp(logits.row(row))
      losses[row, 0] = total - logits[row, targets[row]]
      for column in 0..<logits.columns {
        dLogits[row, column] = scale * (exp(logits[row, column] - total) - (column == targets[row] ? 1 : 0))
      }
    }
    return (losses, dLogits)
  }

  /// divergences[n] = Σ p·(ln p - ln q) over the columns with p > 0; dQ = scale·(q - p).
  public static func klDivergence(of p: Matrix, from q: Matrix, scale: Double) -> (divergences: Matrix, dQ: Matrix) {
    var (divergences, dQ) = (Matrix(p.rows, 1), Matrix(q.rows, q.columns))
    for row in 0..<p.rows {
      let (totalP, totalQ) = (logSumExp(p.row(row)), logSumExp(q.row(row)))
      for column in 0..<p.columns {
        let (logP, logQ) = (p[row, column] - totalP, q[row, column] - totalQ)
        // A column p rules out adds nothing, whatever q says: p·ln p goes to 0.
        if logP != -.infinity { divergences[row, 0] += exp(logP) * (logP - logQ) }
        dQ[row, column] = scale * (exp(logQ) - exp(logP))
      }
    }
    return (divergences, dQ)
  }

  /// Cross-entropy of hidden·weightᵀ; dHidden = dLogits·weight, dWeight = dLogitsᵀ·hidden.
  public static func linearCrossEntropy(
    hidden: Matrix, weight: Matrix, targets: [Int], scale: Double
  ) -> (losses: Matrix, dHidden: Matrix, dWeight: Matrix) {
    let (losses, dLogits) = crossEntropy(logits: matmul(hidden, weight, .right), targets: targets, scale: scale)
    return (losses, matmul(dLogits, weight, .none), matmul(dLogits, hidden, .left))
  }
}

extension ReferenceBackend {
  public func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    Check.crossEntropy(logits: logits, targets: targets, into: losses, dLogits: dLogits)
    let result = Definition.crossEntropy(logits: load(logits), targets: loadIntegers(targets), scale: Double(scale))
    store(result.losses, into: losses)
    if let dLogits { store(result.dLogits, into: dLogits) }
  }

  public func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    Check.klDivergence(of: p, from: q, into: divergences, dQ: dQ)
    let result = Definition.klDivergence(of: load(p), from: load(q), scale: Double(scale))
    store(result.divergences, into: divergences)
    if let dQ { store(result.dQ, into: dQ) }
  }

  /// Unchunked, and the logits stay Doubles.
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    Check.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, into: rows)
    let count = reference.rows
    guard count > 0 else { return }
    let weight = load(weight)
    let original: Matrix =
      switch reference {
      case .logits(let logits): load(logits)
      case .hidden(let states): Definition.matmul(load(states), weight, .right)
      }
    let targets = loadIntegers(targets)
    for first in stride(from: 0, to: hidden.rows, by: count) {
      let span = first..<first + count
      let changed = Definition.matmul(load(hidden.rows(span)), weight, .right)
      store(Definition.klDivergence(of: original, from: changed, scale: 1).divergences, into: rows.divergences.rows(span))
      store(Definition.crossEntropy(logits: changed, targets: targets, scale: 1).losses, into: rows.losses.rows(span))
      storeIntegers((0..<count).map { Definition.argmax(changed.row($0)) }, into: rows.winners.rows(span))
    }
  }

  /// Unchunked, and the logits and their gradients stay Doubles.
  public func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    Check.linearCrossEntropy(hidden: hidden, weight: weight, targets: targets, into: losses, dHidden: dHidden, dWeight: dWeight)
    let result = Definition.linearCrossEntropy(
      hidden: load(hidden), weight: load(weight), targets: loadIntegers(targets), scale: Double(scale))
    store(result.losses, into: losses)
    if let dHidden { store(result.dHidden, into: dHidden) }
    if let dWeight { store(load(dWeight).zip(result.dWeight, +), into: dWeight) }
  }
}
