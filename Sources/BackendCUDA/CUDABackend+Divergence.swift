import TensorCore

/// Which rows a launch of the tiles and of the merge covers; the kernels' struct of this name (divergence.h) says what the fields mean.
struct DivergenceShape: KernelArgument {
  var rows: Int32, span: Int32, period: Int32, references: Int32, columns: Int32, parts: Int32
}

/// The fused LM head + KL: tiles of the changed logits become parts of 32 bytes a row in registers, a second kernel merges them.
extension CUDABackend {
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    Check.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, into: rows)
    guard hidden.dtype == .bf16, weight.dtype == .bf16, weight.rows > 0, weight.columns > 0 else {
      return try chunkedLinearDivergence(
        of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
    }
    let count = reference.rows
    guard count > 0 else { return }
    let rowsPerChunk = max(1, rowsPerChunk)
    let tiles = DivergenceTiles(on: self, hidden: hidden, weight: weight)
    // Parts take no more memory than a chunk of logits would.
    let limit = min(max(128, rowsPerChunk * weight.rows * 4 / (tiles.parts * DivergenceTiles.partBytes)), 16384)
    let chunk =
      switch reference {
      case .logits: min(limit, count)
      case .hidden: min(rowsPerChunk, limit, count)
      }
    let variants = hidden.rows / count
    let together = min(variants, max(1, limit / chunk))

    try forEachChunk(of: reference, weight: weight, rows: chunk) { part, original in
      withScratch(byteCount: together * part.count * (tiles.parts * DivergenceTiles.partBytes + 4)) { scratch in
        for first in stride(from: 0, to: variants, by: together) {
          compare(
            original, hidden, weight, targets: targets.rows(part), variants: first..<min(first + together, variants), period: count,
            start: part.lowerBound, by: tiles, scratch, into: rows)
        }
      }
    }
  }

  /// Rows start ..< start + original.rows of each of the variants, all of them `period` rows long.
  private func compare(
    _ original: Tensor, _ hidden: Tensor, _ weight: Tensor, targets: Tensor, variants: Range<Int>, period: Int, start: Int,
    by tiles: DivergenceTiles, _ scratch: UInt64, into rows: DivergenceRows
  ) {
    let count = variants.count * original.rows
    // Whole variants are one span: tiles of rows may reach from one into the next.
    let span = original.rows == period ? count : original.rows
    let shape = DivergenceShape(
      rows: Int32(count), span: Int32(span), period: Int32(span == count ? count : period), references: Int32(original.rows),
      columns: Int32(weight.rows), parts: Int32(tiles.parts))
    let first = variants.lowerBound * period + start
    let changed = hidden.rows(first..<(variants.upperBound - 1) * period + start + original.rows)
    let targetLogits = scratch + UInt64(count * tiles.parts * DivergenceTiles.partBytes)
    tiles.launch(
      on: self, changed, weight, reference: original.pointer, targets: targets.pointer, parts: scratch, targetLogits: targetLogits, shape)
    let results = first..<first + changed.rows
    launch(
      .divergence, "hoof_divergence_merge", grid: Grid(x: (count + 7) / 8), threads: 256, scratch, targetLogits, targets.pointer,
      rows.divergences.rows(results).pointer, rows.losses.rows(results).pointer, rows.winners.rows(results).pointer, shape)
  }
}

/// Which kernel makes the parts: Hopper's own where its copy engine can read both operands, or the one for every device.
private struct DivergenceTiles {
  static let partBytes = 32

  let onHopper: Bool
  /// Parts of a row.
  let parts: Int

  init(on backend: CUDABackend, hidden: Tensor, weight: Tensor) {
    // All rows start at multiples of 16 bytes if the first and the second do.
    onHopper = backend.boxes(of: hidden, rows: 128) != nil && backend.boxes(of: weight, rows: 256) != nil
    let columns = onHopper ? 256 : 64
    parts = (weight.rows + columns - 1) / columns
  }

  func launch(
    on backend: CUDABackend, _ hidden: Tensor, _ weight: Tensor, reference: UInt64, targets: UInt64, parts: UInt64, targetLogits: UInt64,
    _ shape: DivergenceShape
  ) {
    // Tiles of rows do not reach over the end of a span.
    let rowTiles = Int(shape.rows / shape.span) * ((Int(shape.span) + 127) / 128)
    if onHopper, let hiddenMap = backend.boxes(of: hidden, rows: 128), let weightMap = backend.boxes(of: weight, rows: 256) {
      let tile = HopperTile(rows: 128, columns: 256, stages: 4)
      backend.launch(
        .divergence_sm90a, "hoof_divergence_bf16_hopper", grid: Grid(x: min(rowTiles * self.parts, backend.device.multiprocessors)),
        threads: HopperTile.threads, shared: tile.sharedBytes, hiddenMap, weightMap, reference, targets, parts, targetLogits,
        Int32(hidden.columns), shape)
    } else {
      // A tile of 128 columns makes two parts of each row.
      backend.launch(
        .divergence, "hoof_divergence_bf16", grid: Grid(x: rowTiles * ((weight.rows + 127) / 128)), threads: 128, shared: 65536,
        hidden.pointer, weight.pointer, reference, targets, parts, targetLogits, Int32(hidden.columns), shape)
    }
  }
}
