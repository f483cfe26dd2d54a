// Fused LM head + KL on mma.sync: logits = hidden [k·M, C] · weight [V, C]ᵀ, bf16, exist only as the sums of one tile at a time; each row of
// a warp's 64 columns becomes a DivergencePart of 32 bytes (divergence.h), which hoof_divergence_merge turns into the row's three results.
//
// Mapping: one block a tile of 128 × 128 (LargeTile: four warps of 64 × 64, two blocks a multiprocessor, so that one block's epilogue runs
// under the other's products). Tiles of rows never straddle spans (a span is what one variant compares with the reference's rows). Blocks
// that run together lie in a band of eight tiles of rows (tile_place), which keep their hidden states in the second cache while the
// vocabulary goes by. Traffic beside the product's: the reference's logits once per variant, half a byte a logit for parts.
#include "divergence.h"
#include "product.h"
#include "tile_bf16.h"

using DivergenceTile = LargeTile;

/// Rows of a tile: how many of its span are left, its first among the launch's rows, in hidden and in the span.
struct DivergenceTileRows {
  int first, left, hidden_row, in_span;

  HOOF_INLINE DivergenceTileRows(const DivergenceShape &shape, int tile) {
    const int tiles = (shape.span + DivergenceTile::m - 1) / DivergenceTile::m, variant = tile / tiles;
    in_span = (tile - variant * tiles) * DivergenceTile::m;
    first = variant * shape.span + in_span;
    left = shape.span - in_span;
    hidden_row = variant * shape.period + in_span;
  }
};

HOOF_KERNEL __launch_bounds__(DivergenceTile::threads, 2) hoof_divergence_bf16(
    const bf16 *hidden, const bf16 *weight, const float *reference, const i32 *targets, DivergencePart *parts, float *target_logits,
    i32 C, DivergenceShape shape) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  using Product = Bf16Tile<DivergenceTile, true, true>;
  const int V = shape.columns, tiles_of_span = (shape.span + DivergenceTile::m - 1) / DivergenceTile::m;
  const TilePlace place = tile_place(blockIdx.x, shape.rows / shape.span * tiles_of_span, (V + DivergenceTile::n - 1) / DivergenceTile::n);
  const DivergenceTileRows rows(shape, place.row);
  const bool packed = C % 8 == 0;
  DenseLoader<bf16, true, DivergenceTile::m, DivergenceTile::k, DivergenceTile::threads> load_hidden(
      hidden, C, rows.hidden_row, rows.hidden_row + rows.left, 0, C, packed && (u64)hidden % 16 == 0);
  DenseLoader<bf16, true, DivergenceTile::n, DivergenceTile::k, DivergenceTile::threads> load_weight(
      weight, C, place.column * DivergenceTile::n, V, 0, C, packed && (u64)weight % 16 == 0);
  Product product;
  product.clear();
  product.multiply(shared, load_hidden, load_weight, (C + DivergenceTile::k - 1) / DivergenceTile::k);

  const int column = place.column * DivergenceTile::n + Product::warp_column(), part_index = column / Product::warp_n;
  // A warp behind the vocabulary's end has nothing to say.
  if (column >= V) return;
  const bool paired = (u64)reference % 8 == 0 && V % 2 == 0;
#pragma unroll
  for (int i = 0; i < Product::m_fragments; i++) {
    float(&d)[4 * Product::n_fragments] = reinterpret_cast<float(&)[4 * Product::n_fragments]>(product.sum[i]);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      // Rows behind the span's end repeat its last one and leave nothing.
      const int local = Product::row(i, 2 * half);
      const bool inside = local < rows.left;
      const int row = inside ? local : rows.left - 1, reference_row = (rows.in_span + row) % shape.references;
      const float *line = reference + (u64)reference_row * V + column;
      float *logit = inside ? target_logits + rows.first + row : nullptr;
      const DivergencePart part =
          half == 0
              ? divergence_part<Product::n_fragments, 0>(d, line, column, V - column, paired, targets[reference_row], logit)
              : divergence_part<Product::n_fragments, 1>(d, line, column, V - column, paired, targets[reference_row], logit);
      if (inside && threadIdx.x % 4 == 0) store_part(parts + (u64)(rows.first + row) * shape.parts + part_index, part);
    }
  }
}
HOOF_EXPORT(hoof_divergence_bf16)

/// One warp a row; see merge_divergence.
HOOF_KERNEL hoof_divergence_merge(
    const DivergencePart *parts, const float *target_logits, const i32 *targets, float *divergences, float *losses, i32 *winners,
    DivergenceShape shape) {
  merge_divergence(parts, target_logits, targets, divergences, losses, winners, shape);
}
HOOF_EXPORT(hoof_divergence_merge)
