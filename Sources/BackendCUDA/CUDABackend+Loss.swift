import TensorCore

extension CUDABackend {
  public func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    Check.crossEntropy(logits: logits, targets: targets, into: losses, dLogits: dLogits)
    let teams = RowTeams(logits: logits)
    launch(
      .loss, "hoof_cross_entropy_f32", grid: teams.grid(logits.rows), threads: teams.threads, logits.pointer, targets.pointer, scale,
      losses.pointer, dLogits.pointer, Int64(logits.rows), Int64(logits.columns), teams.argument)
  }

  public func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    Check.klDivergence(of: p, from: q, into: divergences, dQ: dQ)
    let teams = RowTeams(logits: p)
    launch(
      .loss, "hoof_kl_divergence_f32", grid: teams.grid(p.rows), threads: teams.threads, p.pointer, q.pointer, scale, divergences.pointer,
      dQ.pointer, Int64(p.rows), Int64(p.columns), teams.argument)
  }
}
