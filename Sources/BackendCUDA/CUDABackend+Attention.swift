import TensorCore

/// Rows (queries × heads of a group) and keys that a block of the attention kernels holds, as in attention_*.h.
private let tileRows = 64
/// Few queries over many keys: the keys are split until about this many blocks run (two on each multiprocessor of a large GPU; constant, so
/// that results do not depend on the device), but no finer than a tile of keys.
private let splitBlocks = 264, splitKeys = 64, mostSplits = 64
private let log2OfE = 1.4426950408889634

extension CUDABackend {
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    Check.attention(q: q, k: k, v: v, spans, shape, out: out, logSumExp: logSumExp)
    let call = AttentionCall(shape, spans, [q, k, v, out])
    guard call.rowBlocks > 0, shape.headDim > 0 else { return }
    // Counts stand in device memory: an even share of the rows of k is the guess for the longest sequence's keys.
    let splits = max(1, min((splitBlocks + call.rowBlocks - 1) / call.rowBlocks, k.rows / (spans.count * splitKeys), mostSplits))
    let parts = splits > 1 ? splits * q.rows * q.columns : 0
    let run = { (scratch: UInt64) in
      let logs = scratch + UInt64(4 * parts)
      let grid = Grid(x: call.rowBlocks, y: splits, z: call.isTensor ? 1 : call.wideDims)
      if call.isTensor {
        self.launch(
          .attention, "hoof_attention_bf16_d\(call.paddedDim)", grid: grid, threads: 128, shared: 3 * tileRows * call.tileStride,
          q.pointer, k.pointer, v.pointer, out.pointer, logSumExp.pointer, scratch, logs, spans.queryStarts.pointer,
          spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group, call.headDim, call.causal, call.tiles,
          Int32(splits), Int32(q.rows), call.scale2, call.isVector)
      } else {
        self.launch(
          .attention_general, "hoof_attention_\(call.type)", grid: grid, threads: 256, shared: AttentionCall.generalBytes,
          q.pointer, k.pointer, v.pointer, out.pointer, logSumExp.pointer, scratch, logs, spans.queryStarts.pointer,
          spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group, call.headDim, call.causal, call.tiles,
          Int32(splits), Int32(q.rows), call.scale2)
      }
      guard splits > 1 else { return }
      let rows = q.rows * shape.queryHeads
      self.launch(
        q.dtype == .f32 ? .attention_general : .attention, "hoof_attention_merge_\(call.type)", grid: Grid(x: (rows + 3) / 4),
        threads: 128, scratch, logs, out.pointer, logSumExp.pointer, Int64(rows), call.headDim, Int32(splits))
    }
    guard splits > 1 else { return run(0) }
    withScratch(byteCount: 4 * (parts + splits * logSumExp.shape.count), run)
  }

  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    Check.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    let call = AttentionCall(shape, spans, [q, k, v, out, dOut, dq, dk, dv])
    guard shape.headDim > 0 else { return }
    let rows = q.rows * shape.queryHeads
    // Two floats a row: log2 Σ exp2 and dOut·out.
    withScratch(byteCount: 8 * rows) { statistics in
      launch(
        call.isTensor || q.dtype == .bf16 ? .attention_backward : .attention_backward_general, "hoof_attention_statistics_\(call.type)",
        grid: Grid(x: (rows + 3) / 4), threads: 128, dOut.pointer, out.pointer, logSumExp.pointer, statistics, dq.pointer,
        spans.queryStarts.pointer, call.count, Int64(rows), Int32(shape.queryHeads), call.headDim)
      let keyBlocks = (k.rows + tileRows - 1) / tileRows * shape.keyHeads
      if call.isTensor {
        launch(
          .attention_backward, "hoof_attention_backward_queries_bf16_d\(call.paddedDim)", grid: Grid(x: call.rowBlocks), threads: 128,
          shared: call.backwardBytes, dOut.pointer, q.pointer, k.pointer, v.pointer, statistics, dq.pointer, spans.queryStarts.pointer,
          spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group, call.headDim, call.causal, call.tiles,
          shape.scale, call.scale2, call.isVector)
        launch(
          .attention_backward, "hoof_attention_backward_keys_bf16_d\(call.paddedDim)", grid: Grid(x: keyBlocks), threads: 128,
          shared: call.backwardBytes, dOut.pointer, q.pointer, k.pointer, v.pointer, statistics, dk.pointer, dv.pointer,
          spans.queryStarts.pointer, spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group,
          call.headDim, call.causal, Int64(k.rows), shape.scale, call.scale2, call.isVector)
      } else {
        launch(
          .attention_backward_general, "hoof_attention_backward_queries_\(call.type)", grid: Grid(x: call.rowBlocks, y: call.wideDims),
          threads: 256, shared: AttentionCall.generalBackwardBytes, dOut.pointer, q.pointer, k.pointer, v.pointer, statistics, dq.pointer,
          spans.queryStarts.pointer, spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group,
          call.headDim, call.causal, call.tiles, shape.scale, call.scale2)
        launch(
          .attention_backward_general, "hoof_attention_backward_keys_\(call.type)", grid: Grid(x: keyBlocks, y: call.wideDims),
          threads: 256, shared: AttentionCall.generalBackwardBytes, dOut.pointer, q.pointer, k.pointer, v.pointer, statistics, dk.pointer,
          dv.pointer, spans.queryStarts.pointer, spans.keyStarts.pointer, spans.keyCounts.pointer, call.count, call.keyHeads, call.group,
          call.headDim, call.causal, Int64(k.rows), shape.scale, call.scale2)
      }
    }
  }
}

/// What the launches of one attention have in common.
private struct AttentionCall {
  let type: String
  /// Tensor cores take bf16 heads of up to 128 dims.
  let isTensor: Bool
  /// All tensors and the head dim in multiples of 16 bytes.
  let isVector: Int32
  let count: Int32, keyHeads: Int32, group: Int32, headDim: Int32, causal: Int32
  /// Tiles of rows of the longest sequence, and blocks of all sequences and key heads.
  let tiles: Int32, rowBlocks: Int
  /// The scale with log2 e, as the kernels work with exp2.
  let scale2: Float

  init(_ shape: AttentionShape, _ spans: Spans, _ tensors: [Tensor]) {
    let dtype = tensors[0].dtype
    type = dtype == .f32 ? "f32" : "bf16"
    isTensor = dtype == .bf16 && shape.headDim <= 128
    isVector = shape.headDim % 8 == 0 && tensors.allSatisfy { $0.pointer % 16 == 0 } ? 1 : 0
    group = Int32(shape.queryHeads / shape.keyHeads)
    (count, keyHeads, headDim, causal) = (Int32(spans.count), Int32(shape.keyHeads), Int32(shape.headDim), shape.causal ? 1 : 0)
    tiles = Int32((spans.longestQuery * Int(group) + tileRows - 1) / tileRows)
    rowBlocks = Int(tiles) * shape.keyHeads * spans.count
    scale2 = Float(Double(shape.scale) * log2OfE)
  }

  /// The tensor-core kernel that takes the head.
  var paddedDim: Int { headDim <= 32 ? 32 : headDim <= 64 ? 64 : 128 }
  /// Bytes of a padded row in shared memory.
  var tileStride: Int { 2 * (paddedDim + 8) }
  /// 128 rows that stay, 128 that move in two stages, and what is known of twice 32 of them.
  var backwardBytes: Int { 256 * tileStride + 2 * 32 * 16 }
  /// The plain kernels take 128 dims of the output at a time.
  var wideDims: Int { (Int(headDim) + 127) / 128 }
  /// Two slices of 64 rows × 32 dims, probabilities of 64 × 64, values of 64 × 128, each row padded by 4.
  static let generalBytes = 4 * (2 * 64 * 36 + 64 * 68 + 64 * 132)
  /// Slices of 64 and 32 rows × 32 dims, twice 64 × 32 probabilities, 32 × 128 of both moving matrices, 32 rows' statistics; all in pairs.
  static let generalBackwardBytes = 4 * (2 * 64 * 36 + 2 * 32 * 36 + 2 * 64 * 36 + 2 * 32 * 132 + 32 * 4)
}
