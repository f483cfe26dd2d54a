import BackendCPU
import CKernels
import Glibc
import TensorCore
import Testing

/// Attention and its gradients against the definition in Double.
@Suite struct AttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let level: UInt32, headDim: Int, group: Int, causal: Bool
    var testDescription: String {
      "\(String(cString: hoof_simd_name(hoof_simd(rawValue: level)))), D \(headDim), group \(group), causal \(causal)"
    }
  }
  static let cases = KernelTests.levels.flatMap { level in
    [(8, 1, true), (16, 2, true), (64, 3, true), (41, 1, false), (24, 8, false)].map {
      Case(level: level.rawValue, headDim: $0.0, group: $0.1, causal: $0.2)
    }
  }
  /// (queries, keys): a plain sequence, one token, an empty one, more keys than queries, queries that see nothing, several key blocks,
  /// more queries than one job takes, decoding.
  static let sequences = [(7, 7), (1, 1), (0, 5), (5, 70), (9, 4), (3, 0), (101, 101), (1, 131), (2, 3)]

  @Test("agrees with the definition, forward and backward", arguments: cases)
  func definition(_ c: Case) throws {
    let on = try Bench(CPUBackend(threads: 2, simd: hoof_simd(rawValue: c.level)))
    let keyHeads = 2, heads = keyHeads * c.group, d = c.headDim, scale = 1 / sqrt(Double(d))
    var queryStarts: [Int32] = [0], keyStarts: [Int32] = [], keyCounts: [Int32] = [], keyRows: Int32 = 2
    for (n, m) in AttentionTests.sequences {
      queryStarts.append(queryStarts.last! + Int32(n))
      keyStarts.append(keyRows)
      keyCounts.append(Int32(m))
      keyRows += Int32(m) + 1
    }
    let n = Int(queryStarts.last!), m = Int(keyRows)
    let q = try on.input(n, heads * d, 1, scale: 4), k = try on.input(m, keyHeads * d, 2, scale: 4), v = try on.input(m, keyHeads * d, 3)
    let g = try on.input(n, heads * d, 4)
    let spans = Spans(
      queryStarts: try Tensor(queryStarts, on: on.backend), keyStarts: try Tensor(keyStarts, on: on.backend),
      keyCounts: try Tensor(keyCounts, on: on.backend), count: keyCounts.count, longestQuery: 101)
    let shape = AttentionShape(queryHeads: heads, keyHeads: keyHeads, headDim: d, scale: Float(scale), causal: c.causal)

    var out = [Double](repeating: 0, count: n * heads * d), lse = [Double](repeating: -.infinity, count: n * heads)
    var dq = out, dk = [Double](repeating: 0, count: m * keyHeads * d), dv = dk
    for (b, (count, keys)) in AttentionTests.sequences.enumerated() {
      for i in 0..<count {
        let visible = c.causal ? max(0, keys - count + i + 1) : keys
        guard visible > 0 else { continue }
        for h in 0..<heads {
          let row = (Int(queryStarts[b]) + i) * heads * d + h * d
          let key = { (j: Int) in (Int(keyStarts[b]) + j) * keyHeads * d + h / c.group * d }
          let scores = (0..<visible).map { j in (0..<d).reduce(0) { $0 + q[row + $1] * k[key(j) + $1] } * scale }
          let top = scores.max()!, total = log(scores.reduce(0) { $0 + exp($1 - top) }) + top
          lse[(Int(queryStarts[b]) + i) * heads + h] = total
          let p = scores.map { exp($0 - total) }
          for j in 0..<visible { for x in 0..<d { out[row + x] += p[j] * v[key(j) + x] } }
          let delta = (0..<d).reduce(0) { $0 + g[row + $1] * out[row + $1] }
          for j in 0..<visible {
            let dp = (0..<d).reduce(0) { $0 + g[row + $1] * v[key(j) + $1] }
            let ds = p[j] * (dp - delta) * scale
            for x in 0..<d {
              dq[row + x] += ds * k[key(j) + x]
              dk[key(j) + x] += ds * q[row + x]
              dv[key(j) + x] += p[j] * g[row + x]
            }
          }
        }
      }
    }

    let result = try on.output(n, heads * d), sums = try on.output(n, heads)
    on.backend.attention(q: q.tensor, k: k.tensor, v: v.tensor, spans, shape, into: result.tensor, logSumExp: sums.tensor)
    try result.expect(5e-6) { out[$0] }
    let got = try sums.tensor.floats()
    for i in 0..<got.count { #expect(lse[i] == -.infinity ? got[i] == -.infinity : abs(Double(got[i]) - lse[i]) < 5e-6) }

    let dQ = try on.output(n, heads * d), dK = try on.output(m, keyHeads * d), dV = try on.output(m, keyHeads * d)
    on.backend.attentionBackward(
      g.tensor, q: q.tensor, k: k.tensor, v: v.tensor, out: result.tensor, logSumExp: sums.tensor, spans, shape, dq: dQ.tensor,
      dk: dK.tensor, dv: dV.tensor)
    try dQ.expect(2e-5) { dq[$0] }
    try dK.expect(2e-5) { dk[$0] }
    try dV.expect(2e-5) { dv[$0] }
  }
}
