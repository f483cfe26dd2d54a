import TensorCore

extension OpCatalogue {
  /// The ops with bf16 activations at the sizes of a model with three billion weights (Llama 3.2 3B: width 3072, 24 heads of 128, 8 key heads,
  /// 8192 neurons, vocabulary 128,256) and of the batches an ablation study makes of it.
  public static let mixedBenchmark: [OpCase] = mixedProducts + mixedRowBenchmarks + mixedHeads + mixedStreams

  private static let (width, neurons, vocabulary) = (3072, 8192, 128_256)

  private static var mixedProducts: [OpCase] {
    func bf16(_ m: Int, _ n: Int, _ k: Int, out: DType = .bf16, beta: Float = 0) -> OpCase {
      matmul(m, n, k, .right, .bf16, beta: beta, a: .bf16, out: out)
    }
    var cases = [bf16(2048, width, neurons), bf16(2048, width, width), bf16(8192, 8192, 8192)]
    cases += [bf16(2048, neurons, width), bf16(2048, 1024, width), bf16(8192, width, width), bf16(8192, neurons, width)]
    // Into the residual stream, as the output and down projections do.
    cases += [bf16(8192, width, neurons, out: .f32, beta: 1), bf16(2048, vocabulary, width, out: .f32)]
    cases += [
      matmul(2048, width, neurons, .none, .bf16, a: .bf16, out: .bf16), matmul(width, neurons, 2048, .left, .bf16, beta: 1, a: .bf16),
      matmul(2048, 2048, 2048, .right), matmul(4096, 4096, 4096, .right),
    ]
    for dtype in [DType.bf16, .q8_0, .q4_K] {
      for rows in [1, 8, 64] { cases.append(matmul(rows, neurons, width, .right, dtype, a: .bf16, out: .bf16)) }
      cases += [matmul(1, vocabulary, width, .right, dtype, a: .bf16), matmul(2048, neurons, width, .right, dtype, a: .bf16, out: .bf16)]
    }
    return cases
  }

  private static var mixedRowBenchmarks: [OpCase] {
    var cases = [rmsNorm(8192, width, to: .bf16), rmsNorm(1, width, to: .bf16), rmsNormBackward(8192, width, dWeight: true, in: .bf16)]
    cases += [rowLogSumExp(2048, vocabulary), rowArgmax(2048, vocabulary)]
    cases += [klDivergence(2048, vocabulary, .none), klDivergence(2048, vocabulary, .inPlace)]
    cases += [crossEntropy(2048, vocabulary, .none), crossEntropy(2048, vocabulary, .inPlace)]
    cases += [
      columnSums(8192, 8192, beta: 0, in: .bf16), rowDots(8192, 8192, in: .bf16), activationStatistics(8192, neurons, in: .bf16),
      linearDivergence(
        variants: 1, 2048, width: width, vocabulary: vocabulary, chunk: 2048, recomputed: false, .bf16, in: .bf16),
      linearDivergence(
        variants: 4, 2048, width: width, vocabulary: vocabulary, chunk: 2048, recomputed: true, .bf16, in: .bf16),
      linearCrossEntropy(
        2048, width: width, vocabulary: vocabulary, chunk: 2048, .bf16, dHidden: true, dWeight: true, in: .bf16),
      gatherRows(table: vocabulary, width, .bf16, count: 8192), copyRows(8192, 1024, .bf16),
    ]
    return cases
  }

  private static var mixedHeads: [OpCase] {
    let heads = AttentionShape(queryHeads: 24, keyHeads: 8, headDim: 128, scale: 0.0884)
    let prompts = Batch(sequences: Array(repeating: (64, 64), count: 128))
    return [
      attention(prompts, heads, in: .bf16), attentionBackward(prompts, heads, in: .bf16),
      attention(Batch(sequences: [(4096, 4096)]), heads, in: .bf16), attention(Batch(sequences: [(1, 4096)]), heads, in: .bf16),
      attention(Batch(sequences: Array(repeating: (1, 2048), count: 8)), heads, in: .bf16),
      rope(8192, heads: 24, 128, to: .bf16), maskGroups(8192, 24, 128, perRow: false, in: .bf16),
    ]
  }

  private static var mixedStreams: [OpCase] {
    [
      swiGLU(8192, neurons, in: .bf16), swiGLUBackward(8192, neurons, in: .bf16), add(8192, width), addScaled(8192, width),
      sigmoid(8192, neurons, in: .bf16), fill(8192, 8192, .bf16),
      copy(8192, 8192, .f32, .f32), copy(8192, 8192, .bf16, .bf16), copy(8192, 8192, .f32, .bf16), copy(8192, 8192, .bf16, .f32),
      copy(8192, 8192, .q8_0, .bf16), copy(8192, 8192, .q4_K, .bf16),
      dropout(8192, 8192, in: .bf16), adamW(8192, 8192, step: 3), adamW(8192, 8192, step: 3, .bf16, master: true),
      adamW(8192, 8192, step: 3, .bf16, rounding: stochastic), adamW8bit(8192, 8192, step: 3, .bf16, rounding: stochastic),
    ]
  }
}
