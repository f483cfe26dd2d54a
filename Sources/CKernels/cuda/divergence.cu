// Fused LM head + KL for every device: logits = hidden [k·M, C] · weight [V, C]ᵀ, bf16, exist only as accumulators of one tile at a time;
// each row of a warp's tile becomes a DivergencePart (arithmetic and layout: divergence.h), and the parts of a row are merged at the end.
//
// Mapping: a block of four warps computes 128 rows × 128 columns (tile_bf16.h), each warp 64 × 64, so a tile of columns makes two parts of
// each row, and a quad of lanes has eight rows of 64 columns. Tiles of rows never straddle spans. Order: 16 tiles of rows at a time, which
// stay in the second cache while the vocabulary goes by. Traffic per tile besides the product's: 64 KB of reference logits in, 8 KB of
// parts out. Merging: one warp a row, eight rows a block; 32 bytes a part, read twice (the second time from cache).
#include "divergence.h"
#include "tile_bf16.h"
#include "tile_order.h"

HOOF_KERNEL __launch_bounds__(LargeTile::threads, 2) hoof_divergence_bf16(
    const bf16 *hidden, const bf16 *weight, const float *reference, const i32 *targets, DivergencePart *parts, float *target_logits, i32 C,
    DivergenceShape shape) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  using Tile = Bf16Tile<LargeTile, true, true>;
  const int V = shape.columns;
  int row_tile, column_tile;
  TileOrder{DivergenceRows::tiles(shape), (V + LargeTile::n - 1) / LargeTile::n, 16}.at((int)blockIdx.x, row_tile, column_tile);
  const DivergenceRows rows(shape, row_tile);

  const bool aligned = C % 8 == 0;
  DenseLoader<bf16, true, LargeTile::m, LargeTile::k, LargeTile::threads> load_hidden(
      hidden, C, rows.hidden_row, rows.hidden_row + rows.left, 0, C, aligned && (u64)hidden % 16 == 0);
  DenseLoader<bf16, true, LargeTile::n, LargeTile::k, LargeTile::threads> load_weight(
      weight, C, column_tile * LargeTile::n, V, 0, C, aligned && (u64)weight % 16 == 0);
  Tile tile;
  tile.clear();
  tile.multiply(shared, load_hidden, load_weight, (C + LargeTile::k - 1) / LargeTile::k);

  const int column = column_tile * LargeTile::n + Tile::warp_column(), part = column / Tile::warp_n;
  if (part >= shape.parts) return;
  const bool paired = (u64)reference % 8 == 0 && V % 2 == 0;
#pragma unroll
  for (int i = 0; i < Tile::m_fragments; i++) {
    finish_row<Tile::n_fragments, 0>(
        tile.sum[i], rows, Tile::row(i, 0), reference, targets, parts, target_logits, column, part, paired, shape);
    finish_row<Tile::n_fragments, 1>(
        tile.sum[i], rows, Tile::row(i, 2), reference, targets, parts, target_logits, column, part, paired, shape);
  }
}
HOOF_EXPORT(hoof_divergence_bf16)

HOOF_KERNEL hoof_divergence_merge(
    const DivergencePart *parts, const float *target_logits, const i32 *targets, float *divergences, float *losses, i32 *winners,
    DivergenceShape shape) {
  merge_divergence(parts, target_logits, targets, divergences, losses, winners, shape);
}
HOOF_EXPORT(hoof_divergence_merge)
