import TensorCore

extension OpCatalogue {
  /// A packed batch: how many queries and keys each sequence has, and how many rows of keys lie unused behind each one's.
  struct Batch: Sendable {
    var sequences: [(queries: Int, keys: Int)]
    var gap = 0

    var queryCount: Int { sequences.reduce(0) { $0 + $1.queries } }
    var keyRows: Int { sequences.reduce(0) { $0 + $1.keys + gap } }
    var longestQuery: Int { sequences.map(\.queries).max() ?? 0 }

    var spans: [Definition.Span] {
      var (query, key) = (0, 0)
      return sequences.map { sequence in
        defer { (query, key) = (query + sequence.queries, key + sequence.keys + gap) }
        return .init(queries: query..<query + sequence.queries, keys: key..<key + sequence.keys)
      }
    }

    var description: String {
      sequences.count > 4 ? "\(sequences.count) sequences" : sequences.map { "\($0.queries)×\($0.keys)" }.joined(separator: "+")
    }

    func placed(with arguments: OpArguments) throws(BackendError) -> Spans {
      let spans = spans
      return Spans(
        queryStarts: try arguments.input("queryStarts", [0] + spans.map(\.queries.upperBound)),
        keyStarts: try arguments.input("keyStarts", spans.map(\.keys.lowerBound)),
        keyCounts: try arguments.input("keyCounts", spans.map(\.keys.count)), count: spans.count, longestQuery: longestQuery)
    }

    /// Query-key pairs that are not masked.
    func pairs(causal: Bool) -> Int {
      spans.reduce(0) { sum, span in sum + span.queries.reduce(0) { $0 + span.visible(to: $1, causal: causal).count } }
    }
  }

  private static let batches = [
    Batch(sequences: [(1, 1)]), Batch(sequences: [(7, 7)]), Batch(sequences: [(41, 41)]),
    Batch(sequences: [(1, 123)]),  // decoding
    Batch(sequences: [(1, 257), (1, 3), (1, 41)], gap: 5),  // decoding a batch out of a cache with room
    Batch(sequences: [(7, 7), (1, 1), (41, 41)]), Batch(sequences: [(3, 11), (5, 5), (2, 41)], gap: 2),
    Batch(sequences: [(5, 5), (0, 0), (3, 3)]), Batch(sequences: [(0, 4), (2, 7)]),
    Batch(sequences: [(6, 2), (3, 3)]),  // the first four queries see no key
    Batch(sequences: [(4, 0), (2, 2)]), Batch(sequences: []),
  ]

  /// Sequences around the tiles of a GPU's kernels.
  private static let tiledBatches = [
    Batch(sequences: [(64, 64)]), Batch(sequences: [(65, 65), (63, 63)]), Batch(sequences: [(128, 128), (72, 72)]),
    Batch(sequences: [(200, 200)]), Batch(sequences: [(16, 144), (1, 200)], gap: 3),
  ]

  private static func heads(_ queryHeads: Int, _ keyHeads: Int, _ headDim: Int) -> AttentionShape {
    AttentionShape(queryHeads: queryHeads, keyHeads: keyHeads, headDim: headDim, scale: 1 / Float(headDim).squareRoot())
  }

  static var attentions: [OpCase] { attentions(in: .f32) }
  static var mixedAttentions: [OpCase] { attentions(in: .bf16) }

  private static func attentions(in type: DType) -> [OpCase] {
    let shapes = [heads(1, 1, 8), heads(6, 2, 16), heads(8, 1, 5), heads(4, 4, 48), heads(8, 1, 64)]
    var cases: [OpCase] = []
    for batch in batches {
      for (index, shape) in shapes.enumerated() {
        cases += [attention(batch, shape, in: type), attentionBackward(batch, shape, in: type)]
        if index == 1 {
          var open = shape
          open.causal = false
          cases += [attention(batch, open, in: type), attentionBackward(batch, open, in: type)]
        }
      }
    }
    for batch in tiledBatches {
      for shape in [heads(4, 2, 64), heads(3, 1, 128)] {
        cases += [attention(batch, shape, in: type), attentionBackward(batch, shape, in: type)]
      }
    }
    var sharp = shapes[1]
    sharp.scale = 100
    let wide = AttentionShape(queryHeads: 2, keyHeads: 1, headDim: 128, scale: 0.088)
    cases += [attention(Batch(sequences: [(41, 41)]), sharp, in: type), attention(Batch(sequences: [(123, 257)]), wide, in: type)]
    cases += [attentionBackward(Batch(sequences: [(123, 257)]), wide, in: type), attention(Batch(sequences: [(1, 2049)]), wide, in: type)]
    return cases
  }

  private static func label(_ batch: Batch, _ shape: AttentionShape) -> String {
    "\(batch.description) heads \(shape.queryHeads):\(shape.keyHeads) of \(shape.headDim)"
  }

  private static func tolerance(_ shape: AttentionShape, _ type: DType) -> Tolerance {
    if type == .bf16 {
      let reason = "softmax weights are rounded to bf16 for the tensor cores: 2^-9 each, which tips the rounding of some results"
      return Tolerance(3e-5, reason, absolute: 1e-2, limits: ["logSumExp": shape.scale > 10 ? 1e-8 : 1e-9])
    }
    return shape.scale > 10
      ? Tolerance(1e-8, "scores in the hundreds: their f32 rounding of 2^-24 is an error of 1e-5 in the exponent")
      : Tolerance(1e-11, "f32 scores, exp and sums over the keys", absolute: 1e-2)
  }

  /// Keys and values with NaN in the rows that belong to no sequence.
  private static func keysAndValues(_ batch: Batch, _ width: Int, _ random: inout RandomGenerator) -> (k: Matrix, v: Matrix) {
    var (k, v) = (random.matrix(batch.keyRows, width), random.matrix(batch.keyRows, width))
    var isUsed = [Bool](repeating: false, count: batch.keyRows)
    for span in batch.spans { for key in span.keys { isUsed[key] = true } }
    for row in 0..<batch.keyRows where !isUsed[row] {
      for column in 0..<width { (k[row, column], v[row, column]) = (.nan, .nan) }
    }
    return (k, v)
  }

  static func attention(_ batch: Batch, _ shape: AttentionShape, in type: DType = .f32) -> OpCase {
    let (queryWidth, keyWidth) = (shape.queryHeads * shape.headDim, shape.keyHeads * shape.headDim)
    return OpCase(
      "attention" + (shape.causal ? "" : " not causal") + (shape.scale > 10 ? " sharp" : "") + suffix(type), group: "Attention",
      shapes: label(batch, shape), tolerance: tolerance(shape, type),
      bytes: 2 * type.block.bytes * (batch.queryCount * queryWidth + batch.keyRows * keyWidth),
      flops: (4 * shape.headDim + 4) * shape.queryHeads * batch.pairs(causal: shape.causal)
    ) { arguments throws(BackendError) in
      let spans = try batch.placed(with: arguments)
      let q = try arguments.input("q", arguments.random.matrix(batch.queryCount, queryWidth), type)
      let keys = keysAndValues(batch, keyWidth, &arguments.random)
      let (k, v) = (try arguments.input("k", keys.k, type), try arguments.input("v", keys.v, type))
      let out = try arguments.output("out", batch.queryCount, queryWidth, type)
      let logSumExp = try arguments.output("logSumExp", batch.queryCount, shape.queryHeads)
      return { arguments.backend.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp) }
    }
  }

  static func attentionBackward(_ batch: Batch, _ shape: AttentionShape, in type: DType = .f32) -> OpCase {
    let (queryWidth, keyWidth) = (shape.queryHeads * shape.headDim, shape.keyHeads * shape.headDim)
    let tolerance =
      type == .bf16
      ? Tolerance(3e-5, "softmax weights and their gradients are rounded to bf16 for the tensor cores: 2^-9 each", absolute: 0.5)
      : Tolerance(1e-11, "f32 sums over the keys; with a single key dScore is the difference of two equal sums of size 1", absolute: 0.5)
    return OpCase(
      "attentionBackward" + (shape.causal ? "" : " not causal") + suffix(type), group: "Attention", shapes: label(batch, shape),
      tolerance: tolerance, bytes: 4 * type.block.bytes * (batch.queryCount * queryWidth + batch.keyRows * keyWidth),
      flops: (10 * shape.headDim + 6) * shape.queryHeads * batch.pairs(causal: shape.causal)
    ) { arguments throws(BackendError) in
      let spans = try batch.placed(with: arguments)
      let queries = arguments.random.matrix(batch.queryCount, queryWidth).rounded(to: type)
      var keys = keysAndValues(batch, keyWidth, &arguments.random)
      keys = (keys.k.rounded(to: type), keys.v.rounded(to: type))
      let forward = Definition.attention(q: queries, k: keys.k, v: keys.v, batch.spans, shape)
      let q = try arguments.input("q", queries, type)
      let (k, v) = (try arguments.input("k", keys.k, type), try arguments.input("v", keys.v, type))
      let out = try arguments.input("out", forward.out, type)
      let logSumExp = try arguments.input("logSumExp", forward.logSumExp)
      let dOut = try arguments.input("dOut", arguments.random.matrix(batch.queryCount, queryWidth), type)
      let dq = try arguments.output("dq", batch.queryCount, queryWidth, type)
      let dk = try arguments.output("dk", batch.keyRows, keyWidth, type)
      let dv = try arguments.output("dv", batch.keyRows, keyWidth, type)
      return {
        arguments.backend.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
      }
    }
  }
}
