import Glibc
import TensorCore

extension Definition {
  /// One sequence of a packed batch: its query rows and its key rows.
  public struct Span: Sendable {
    public var queries: Range<Int>
    public var keys: Range<Int>
    public init(queries: Range<Int>, keys: Range<Int>) {
      self.queries = queries
      self.keys = keys
    }

    /// Keys the query in row `query` sees: all, or, causal and aligned bottom-right, all but those after it.
    func visible(to query: Int, causal: Bool) -> Range<Int> {
      let hidden = causal ? queries.upperBound - 1 - query : 0
      return keys.lowerBound..<max(keys.lowerBound, keys.upperBound - hidden)
    }
  }

  /// Calls `body` for each query row and head with the keys it sees: (row, first column of the query head, first column of its key head,
  /// query head, keys).
  private static func forEachQuery(
    _ spans: [Span], _ shape: AttentionShape, _ body: (Int, Int, Int, Int, Range<Int>) -> Void
  ) {
    for span in spans {
      for row in span.queries {
        for head in 0..<shape.queryHeads {
          let keyHead = head / (shape.queryHeads / shape.keyHeads)
          body(row, head * shape.headDim, keyHead * shape.headDim, head, span.visible(to: row, causal: shape.causal))
        }
      }
    }
  }

  public static func attention(
    q: Matrix, k: Matrix, v: Matrix, _ spans: [Span], _ shape: AttentionShape
  ) -> (out: Matrix, logSumExp: Matrix) {
    var out = Matrix(q.rows, q.columns)
    var logSumExp = Matrix(q.rows, shape.queryHeads, repeating: -.infinity)
    forEachQuery(spans, shape) { row, at, keyAt, head, keys in
      var scores = [Double](repeating: 0, count: keys.count)
      for (i, key) in keys.enumerated() {
        for d in 0..<shape.headDim { scores[i] += q[row, at + d] * k[key, keyAt + d] }
        scores[i] *= Double(shape.scale)
      }
      let total = Definition.logSumExp(scores[...])
      logSumExp[row, head] = total
      for (i, key) in keys.enumerated() {
        let p = exp(scores[i] - total)
        for d in 0..<shape.headDim { out[row, at + d] += p * v[key, keyAt + d] }
      }
    }
    return (out, logSumExp)
  }

  /// With p the softmax and dp = dOut·vᵀ: dScore = p·(dp - dOut·out), dq = scale·dScore·k, dk = scale·dScoreᵀ·q, dv = pᵀ·dOut.
  public static func attentionBackward(
    _ dOut: Matrix, q: Matrix, k: Matrix, v: Matrix, out: Matrix, logSumExp: Matrix, _ spans: [Span], _ shape: AttentionShape
  ) -> (dq: Matrix, dk: Matrix, dv: Matrix) {
    var (dq, dk, dv) = (Matrix(q.rows, q.columns), Matrix(k.rows, k.columns), Matrix(v.rows, v.columns))
    let scale = Double(shape.scale)
    forEachQuery(spans, shape) { row, at, keyAt, head, keys in
      var expected = 0.0
      for d in 0..<shape.headDim { expected += dOut[row, at + d] * out[row, at + d] }
      for key in keys {
        var (score, dp) = (0.0, 0.0)
        for d in 0..<shape.headDim {
          score += q[row, at + d] * k[key, keyAt + d]
          dp += dOut[row, at + d] * v[key, keyAt + d]
        }
        let p = exp(score * scale - logSumExp[row, head])
        let dScore = p * (dp - expected) * scale
        for d in 0..<shape.headDim {
          dq[row, at + d] += dScore * k[key, keyAt + d]
          dk[key, keyAt + d] += dScore * q[row, at + d]
          dv[key, keyAt + d] += p * dOut[row, at + d]
        }
      }
    }
    return (dq, dk, dv)
  }
}

extension ReferenceBackend {
  private func load(_ spans: Spans) -> [Definition.Span] {
    let (starts, keys, counts) = (loadIntegers(spans.queryStarts), loadIntegers(spans.keyStarts), loadIntegers(spans.keyCounts))
    return (0..<spans.count).map { .init(queries: starts[$0]..<starts[$0 + 1], keys: keys[$0]..<keys[$0] + counts[$0]) }
  }

  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    Check.attention(q: q, k: k, v: v, spans, shape, out: out, logSumExp: logSumExp)
    let result = Definition.attention(q: load(q), k: load(k), v: load(v), load(spans), shape)
    store(result.out, into: out)
    store(result.logSumExp, into: logSumExp)
  }

  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape,
    dq: Tensor, dk: Tensor, dv: Tensor
  ) {
    Check.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    let result = Definition.attentionBackward(
      load(dOut), q: load(q), k: load(k), v: load(v), out: load(out), logSumExp: load(logSumExp), load(spans), shape)
    store(result.dq, into: dq)
    store(result.dk, into: dk)
    store(result.dv, into: dv)
  }
}
