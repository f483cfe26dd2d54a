import TensorCore

extension OpCatalogue {
  /// Sizes of real models and of one ablation batch (1654 rows of width 384: 32 prompts through a small model at once).
  public static let benchmark: [OpCase] = matrixBenchmarks + rowBenchmarks + attentionBenchmarks + elementwiseBenchmarks

  private static var matrixBenchmarks: [OpCase] {
    var cases = [384, 1024, 4096].map { matmul(1654, $0, 384, .right) }
    cases += [
      matmul(2048, 2048, 2048, .right), matmul(2048, 2048, 2048, .none), matmul(1654, 384, 1024, .none),
      matmul(384, 1024, 1654, .left, beta: 1),
    ]
    cases += [matmul(1, 4096, 4096, .right), matmul(1, 16_384, 8192, .right)]
    for dtype in [DType.f16, .bf16, .q8_0, .q4_K] {
      cases += [matmul(1, 4096, 4096, .right, dtype), matmul(8, 4096, 4096, .right, dtype), matmul(256, 4096, 4096, .right, dtype)]
      // Far larger than any cache: what decoding with a real model is.
      cases += [matmul(1, 16_384, 8192, .right, dtype), matmul(64, 16_384, 8192, .right, dtype)]
    }
    return cases
  }

  private static var rowBenchmarks: [OpCase] {
    var cases = [rmsNorm(64, 4096), rmsNorm(1654, 384), rmsNorm(8192, 4096), rmsNormBackward(4096, 4096, dWeight: true)]
    for (rows, vocabulary) in [(64, 128_256), (512, 32_000), (1654, 4096)] {
      cases += [rowLogSumExp(rows, vocabulary), rowArgmax(rows, vocabulary)]
      cases += [klDivergence(rows, vocabulary, .none), klDivergence(rows, vocabulary, .inPlace)]
      cases += [crossEntropy(rows, vocabulary, .none), crossEntropy(rows, vocabulary, .inPlace)]
    }
    cases += [columnSums(8192, 4096, beta: 0), rowDots(8192, 4096), activationStatistics(1654, 1024)]
    cases.append(linearDivergence(variants: 4, 256, width: 384, vocabulary: 4096, chunk: 256, recomputed: false, .f32))
    cases.append(linearDivergence(variants: 1, 64, width: 2048, vocabulary: 32_000, chunk: 64, recomputed: false, .bf16))
    cases.append(linearCrossEntropy(256, width: 384, vocabulary: 4096, chunk: 256, .f32, dHidden: true, dWeight: true))
    return cases
  }

  private static var attentionBenchmarks: [OpCase] {
    func heads(_ queryHeads: Int, _ keyHeads: Int) -> AttentionShape {
      AttentionShape(queryHeads: queryHeads, keyHeads: keyHeads, headDim: 64, scale: 0.125)
    }
    let prompts = Batch(sequences: Array(repeating: (64, 64), count: 26))
    return [
      attention(prompts, heads(6, 2)), attentionBackward(prompts, heads(6, 2)),
      attention(Batch(sequences: [(64, 64)]), heads(32, 8)), attention(Batch(sequences: [(2048, 2048)]), heads(32, 8)),
      attention(Batch(sequences: [(1, 2048)]), heads(32, 8)),
    ]
  }

  private static var elementwiseBenchmarks: [OpCase] {
    [
      swiGLU(1654, 1024), swiGLU(1024, 14_336), swiGLUBackward(1024, 8192), rope(1654, heads: 6, 64), rope(2048, heads: 32, 64),
      add(1654, 384), add(8192, 4096), addScaled(8192, 4096), multiply(1654, 384, shared: true), sigmoid(4096, 4096), dropout(4096, 4096),
      fill(8192, 4096, .f32),
      maskGroups(1654, 6, 64, perRow: true), maskGroups(4096, 4096, 1, perRow: false),
      copy(8192, 4096, .f32, .f32), copy(4096, 4096, .f32, .bf16), copy(4096, 4096, .f32, .f16), copy(4096, 4096, .bf16, .f32),
      copy(4096, 4096, .f16, .f32), copy(4096, 4096, .q8_0, .f32), copy(4096, 4096, .q4_K, .f32),
      gatherRows(table: 32_000, 2048, .bf16, count: 512), copyRows(2048, 512, .f32),
      adamW(2048, 4096, step: 3),
    ]
  }
}
