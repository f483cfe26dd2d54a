/// Which operand of a matrix product is read transposed: `a·b`, `aᵀ·b` or `a·bᵀ`.
public enum Transpose: Sendable { case none, left, right }

/// Rotary embedding: `headDim` columns per head; pairs are (i, i + D/2) as in Hugging Face, or (2i, 2i + 1) when interleaved.
public struct RopeShape: Sendable {
  public var headDim: Int
  public var interleaved: Bool
  public init(headDim: Int, interleaved: Bool = false) {
    self.headDim = headDim
    self.interleaved = interleaved
  }
}

/// Grouped-query attention; `queryHeads` is a multiple of `keyHeads` (arXiv 2305.13245).
public struct AttentionShape: Sendable {
  public var queryHeads: Int, keyHeads: Int, headDim: Int
  public var scale: Float
  public var causal: Bool
  public init(queryHeads: Int, keyHeads: Int, headDim: Int, scale: Float, causal: Bool = true) {
    self.queryHeads = queryHeads
    self.keyHeads = keyHeads
    self.headDim = headDim
    self.scale = scale
    self.causal = causal
  }
}

/// Which rows of a packed batch form each sequence. Sequence b reads queries `queryStarts[b] ..< queryStarts[b+1]` and keys
/// `keyStarts[b] ..< keyStarts[b] + keyCounts[b]`. Causal masks are aligned bottom-right: the last query sees the last key, so
/// query i of n sees keys `0 ... keyCount - n + i`. A query that sees no key gives a zero row and logSumExp = -inf.
public struct Spans: Sendable {
  /// i32: [B+1, 1], [B, 1], [B, 1].
  public var queryStarts: Tensor, keyStarts: Tensor, keyCounts: Tensor
  public var count: Int, longestQuery: Int
  public init(queryStarts: Tensor, keyStarts: Tensor, keyCounts: Tensor, count: Int, longestQuery: Int) {
    self.queryStarts = queryStarts
    self.keyStarts = keyStarts
    self.keyCounts = keyCounts
    self.count = count
    self.longestQuery = longestQuery
  }
}

/// The rows of `activationStatistics`' result, one value per column of x.
public enum ActivationStatistic: Int, Sendable, CaseIterable {
  /// Σ w·|x|, with one weight per row of x.
  case weightedAbsoluteSum
  /// Σ |x|
  case absoluteSum
  case sum
  case absoluteMaximum
  /// Rows with |x| strictly above the threshold.
  case exceedances
}

/// What the uncut model says at M rows, for comparing k·M rows of changed models with it.
public enum DivergenceReference: Sendable {
  /// Its logits, [M, V] f32, kept from an earlier pass.
  case logits(Tensor)
  /// Its last hidden rows [M, C], after the final norm; logits are recomputed chunk by chunk, so no [M, V] exists.
  case hidden(Tensor)

  public var rows: Int {
    switch self {
    case .logits(let t), .hidden(let t): t.rows
    }
  }
}

/// Per-row results of `linearDivergence`, each [k·M, 1].
public struct DivergenceRows: Sendable {
  /// KL(reference ‖ changed) in nats, f32.
  public var divergences: Tensor
  /// -ln p_changed(target), f32; 0 where the target is negative.
  public var losses: Tensor
  /// Arg-max of the changed logits (lowest id on ties), i32.
  public var winners: Tensor
  public init(divergences: Tensor, losses: Tensor, winners: Tensor) {
    self.divergences = divergences
    self.losses = losses
    self.winners = winners
  }
}

/// Everything a device must be able to do. Total: there is no "is this op supported". Ops are destination-passing and never allocate
/// visibly, so they cannot fail for memory and do not throw; device faults are sticky and surface at `download` or `synchronize`.
/// One in-order queue per backend. Every implementation first calls the `Check` of the same name, which traps on shape mistakes.
///
/// Shapes are [N, C] unless said. Weights (`b` of matmul, `table` of gatherRows, source of copy) may be any type, quantised ones included.
/// Elementwise `out` may be an input; fused ops never alias. Backward ops write their gradients (no accumulation) unless they take `beta` or
/// say otherwise.
///
/// Everything else is f32, and on a device whose `activations` are bf16 also what this table lists. T is f32 or bf16, the same for all T of
/// one call; `fbf` are types (f32, bf16, f32) in the order of the signature. Arithmetic and sums are f32 whatever the types; a result
/// is rounded once, to nearest even, when it is stored.
///
///     add (a, b, out)                     bbb, bfb, fbf
///     multiply (a, b, out)                bbb, bfb
///     addScaled (x, y)                    bb, bf
///     sigmoid, dropout, swiGLU(Backward)  all T
///     rope (x, out)                       bb, fb
///     matmul                              a bf16 → out f32 or bf16; left: a and b both bf16, out f32
///     gatherRows                          out T
///     copyRows                            x and out T
///     scatterAddRows                      x T, table f32
///     columnSums, activationStatistics    x T, out f32
///     rowDots                             a and b T, out f32
///     rmsNorm                             x f32, out T
///     rmsNormBackward                     dOut T, the rest f32
///     attention(Backward)                 all T but logSumExp, which is f32; softmax and its gradient may be rounded to T for the products
///     maskGroups(Backward)                x, out, dOut, dx T; mask and dMask f32
///     linearDivergence                    hidden and the reference's hidden T; kept logits f32
///     linearCrossEntropy                  hidden and dHidden T, dWeight f32; the logits' gradient may be rounded to T for the products
public protocol ComputeBackend: AnyObject, Sendable {
  /// "cpu (avx512, 2 threads)", "cuda:0 (H200, sm_90)".
  var name: String { get }
  /// What else a person may want to know about it, for `hoof backends`.
  var details: [(name: String, value: String)] { get }
  /// Bytes of memory this device has, and how many of them are free now.
  func memory() -> (total: Int, free: Int)
  /// Whether weights of this type can stay as they are; asked once, by the loader. f32 always can.
  func stores(_ dtype: DType) -> Bool
  /// The type in which a forward pass keeps what flows between ops: normed rows, rotated queries and keys, values, heads, gate, up, the
  /// neurons, and the hidden rows the LM head reads. bf16 on a GPU in bf16 precision, else f32. Queries and keys before their rotation, the
  /// residual stream, statistics, norms' weights, logits, losses and gradients of weights are f32 everywhere.
  var activations: DType { get }
  /// The type that matrices stored as `dtype` are kept in here. With bf16 activations floats become bf16 while they are loaded, because tensor
  /// cores multiply nothing else with bf16; quantised types stay what they are.
  func weights(storedAs dtype: DType) -> DType
  /// Rows of one batch from which on the device is fully used; nil where fewer rows are as good, as on a CPU with its caches.
  var usefulRows: Int? { get }

  // Memory: in order with the ops below
  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress
  func deallocate(_ address: DeviceAddress, byteCount: Int)
  /// An address for host memory that this device can read in place, or nil if it must be uploaded. The caller keeps it alive and unchanged.
  func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress?
  func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError)
  func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError)
  /// Waits for the queue; throws the first deferred device error.
  func synchronize() throws(BackendError)

  // Primitives
  /// out = x, converted to out's type; q8_0/q4_K → dense only. f32 → bf16/f16 rounds to nearest even.
  func copy(_ x: Tensor, into out: Tensor)
  func fill(_ out: Tensor, with value: Float)
  /// out = a + b; b is [N, C] or [1, C] (added to every row).
  func add(_ a: Tensor, _ b: Tensor, into out: Tensor)
  /// y += alpha·x
  func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor)
  /// out = a ⊙ b; b is [N, C] or [1, C].
  func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor)
  func sigmoid(_ x: Tensor, into out: Tensor)
  /// out = x/keeping where `DropoutRule` keeps the element, else 0 (arXiv 1207.0580, inverted); keeping in 0 ..< 1 or 1, element i counted along
  /// the rows. Its own backward, with the seed of the forward. The same bits everywhere: x times 1/keeping as f32, rounded.
  func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor)
  /// out = op(a)·op(b) + beta·out. none: [M,K]·[K,N]; left: [K,M]ᵀ·[K,N]; right: [M,K]·[N,K]ᵀ. b may be any type for none and right.
  /// beta 0 overwrites, whatever out held.
  func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor)
  /// outs[i] = a·weights[i]ᵀ: a [M,K] with several weights [N,K], as many bits as `matmul` one by one. For a backend that shares small products
  /// out together sooner than one after another.
  func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor])
  /// out[n] = table[ids[n]]; table [V, C] any type, ids [N, 1] i32 within 0 ..< V, out [N, C].
  func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor)
  /// out[targets[n]] = x[sources[n]], or x[n] without sources; the other rows of out stay. x [S, C] and out [V, C] of one dense type, ids [N, 1]
  /// i32, all targets different. x may be `out` where no row is both read and written.
  func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor)
  /// table[ids[n]] += x[n]: the embedding's backward. Deterministic: rows are added in order of n.
  func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor)
  /// out [1, C] = Σ_n x[n] + beta·out
  func columnSums(_ x: Tensor, beta: Float, into out: Tensor)
  /// out [N, 1] = Σ_c a·b
  func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor)
  /// out [N, 1] = ln Σ_c exp(x)
  func rowLogSumExp(_ x: Tensor, into out: Tensor)
  /// out [N, 1] i32 = the first column holding the row's maximum; NaN counts as larger than any number
  func rowArgmax(_ x: Tensor, into out: Tensor)
  /// out [5, C]: one row per `ActivationStatistic`; rowWeights [N, 1].
  func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor)

  // Fused: forward and backward come as a pair
  /// out = x / sqrt(mean(x²) + epsilon) ⊙ weight; inverseRMS [N, 1] is kept for backward (arXiv 1910.07467). weight [1, C].
  func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor)
  /// dx is written; dWeight [1, C] is accumulated into.
  func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?)
  /// Rotates each head's pairs by positions[n]·frequencies[i] (arXiv 2104.09864); `inverse` rotates back, which is the backward.
  /// x [N, H·D], positions [N, 1] i32, frequencies [1, D/2].
  func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor)
  /// out = silu(gate) ⊙ up (arXiv 2002.05202)
  func swiGLU(gate: Tensor, up: Tensor, into out: Tensor)
  func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor)
  /// softmax(q·kᵀ·scale + mask)·v per head; q, out [Nq, Hq·D], k, v [Nk, Hk·D], logSumExp [Nq, Hq] of the scaled scores.
  func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor)
  /// dq, dk, dv are written; key rows no query sees get zero.
  func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape,
    dq: Tensor, dk: Tensor, dv: Tensor)
  /// out = x with column group g scaled by mask[g]: heads (D columns a group), neurons (1 column). x [N, G·D]; mask [1, G], or [N, G] for a
  /// mask of its own in each row.
  func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor)
  /// dx is written; dMask, shaped like mask, is accumulated into.
  func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?)
  /// losses [N, 1] = -ln softmax(logits)[target], unscaled; a negative target is not scored (loss 0, gradient 0).
  /// dLogits = scale·(softmax - onehot); may be `logits` itself.
  func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?)
  /// divergences [N, 1] = Σ p·(ln p - ln q), p and q the softmax of the given logits, in nats, unscaled;
  /// dQ = scale·(q - p), may be `q` itself.
  func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?)
  /// Decoupled AdamW; first and second f32 moments; with `master` (f32) the update happens there and `parameter` is its rounded copy. Without,
  /// the parameter's values are widened, and narrowed again as `update.rounding` says. With g = gradientScale·gradient:
  /// m = β₁m + (1 - β₁)g, v = β₂v + (1 - β₂)g², w = w - rate·(m/(1 - β₁ᵗ) / (sqrt(v/(1 - β₂ᵗ)) + ε) + decay·w).
  func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW)
  /// The same with moments of 8 bits (arXiv 2110.02861): a block's moments are decoded, moved on, used for the step as they are, divided by the
  /// block's greatest magnitude and encoded again, m by `DynamicCode.signed`, v by `.unsigned`. Codes and scales are the same bits
  /// everywhere: the moments' products and sums are rounded one by one, none fused.
  func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW)

  // Chunked: written once in ComputeBackend+Chunked.swift; requirements, so that a backend can fuse them
  /// Compares k·M rows of changed models with the M rows of the reference, row r with reference row r mod M, without ever holding
  /// [k·M, V]. hidden [k·M, C] after the final norm, weight [V, C] the LM head, targets [M, 1] i32.
  func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError)
  /// Cross-entropy of hidden·weightᵀ in chunks of rows; gradients, when asked for, in the same pass: dHidden is written,
  /// dWeight [V, C] f32 is accumulated into. Gradients are scaled by `scale`; losses [N, 1] are not.
  func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError)
}

extension ComputeBackend {
  public var details: [(name: String, value: String)] { [] }
}
