// Fused LM head + KL on Hopper: logits = hidden [k·M, C] · weight [V, C]ᵀ, bf16, exist only as accumulators of one tile at a time; each row of
// a tile becomes a DivergencePart of 32 bytes (divergence.h), which hoof_divergence_merge turns into the row's three results.
//
// Mapping: the pipeline of matmul_sm90a.cu with tiles of 128 rows × 256 columns; a quad of lanes has two rows of 256 columns. Tiles of rows
// never straddle spans (one span is what one variant compares with the reference's rows), so that the reference row is a remainder. Order:
// 16 tiles of rows at a time, which keep their hidden states in the second cache while the vocabulary goes by; so weights are read from
// memory once per 2048 rows. Traffic per tile besides the product's: 128 KB of reference logits, which the producer warp fetches into the
// second cache while the tile is multiplied, and 4 KB of parts. Arithmetic of the epilogue: about 26 instructions and two ex2 an element,
// a seventh of the product's time at C = 3072; the two consumers reach it at different times, and the other has the tensor cores meanwhile.
#include "divergence.h"
#include "pipeline_sm90a.h"

using DivergencePipeline = Pipeline<128, 256, 4>;

/// Rows of one tile: the first among the launch's rows, how many are left in its span, and where they are in hidden and in the reference.
struct DivergenceRows {
  int first, left, hidden_row, in_span;

  HOOF_INLINE DivergenceRows(const DivergenceShape &shape, int row_tile) {
    const int tiles = (shape.span + 127) / 128, variant = row_tile / tiles;
    in_span = (row_tile - variant * tiles) * 128;
    first = variant * shape.span + in_span;
    left = shape.span - in_span;
    hidden_row = variant * shape.period + in_span;
  }
};

/// What the quad's rows `local` of the tile say. Rows behind the span's end repeat its last one and leave nothing.
template <int half>
HOOF_INLINE void finish_row(
    float (&d)[DivergencePipeline::columns / 2], const DivergenceRows &rows, int local, const float *reference, const i32 *targets,
    DivergencePart *parts, float *target_logits, int column_tile, bool paired, const DivergenceShape &shape) {
  const bool inside = local < rows.left;
  const int row = inside ? local : rows.left - 1, reference_row = (rows.in_span + row) % shape.references;
  const int column = column_tile * DivergencePipeline::columns;
  DivergencePart part = divergence_part<DivergencePipeline::columns / 8, half>(
      d, reference + (u64)reference_row * shape.columns + column, column, shape.columns - column, paired, targets[reference_row],
      inside ? target_logits + rows.first + row : nullptr);
  if (inside && (threadIdx.x & 3) == 0) store_part(parts + (u64)(rows.first + row) * shape.parts + column_tile, part);
}

HOOF_KERNEL __launch_bounds__(384, 1) hoof_divergence_bf16_hopper(
    const __grid_constant__ TensorMap hidden, const __grid_constant__ TensorMap weight, const float *reference, const i32 *targets,
    DivergencePart *parts, float *target_logits, i32 C, DivergenceShape shape) {
  using P = DivergencePipeline;
  HOOF_DYNAMIC_SHARED(u8, shared);
  const P pipeline{shared};
  pipeline.start();
  const TileOrder order{shape.rows / shape.span * ((shape.span + 127) / 128), shape.parts, 16};
  const int tiles = order.row_tiles * order.column_tiles, steps = (C + P::depth - 1) / P::depth;
  const int V = shape.columns, lane = threadIdx.x & 31;
  PipelinePosition<P::stages> position;
  if (threadIdx.x / 128 == P::producer) {
    registers_decrease<40>();
    if (threadIdx.x % 128 < 32) {
      for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
        int row, column;
        order.at(tile, row, column);
        const DivergenceRows rows(shape, row);
        if (lane == 0) pipeline.load(&hidden, &weight, rows.hidden_row, column * P::columns, steps, position);
        // Paced by the loads: this tile's last buffers are being filled, its products are still under way.
        __syncwarp();
        const int columns = V - column * P::columns < P::columns ? V - column * P::columns : P::columns;
        for (int local = lane; local < 128 && local < rows.left; local += 32) {
          const float *line = reference + (u64)((rows.in_span + local) % shape.references) * V + column * P::columns;
          for (int at = 0; at < columns; at += 32) prefetch_l2(line + at);
        }
      }
    }
  } else {
    registers_increase<232>();
    const int local = (int)(threadIdx.x / 32) * 16 + lane / 4;
    const bool paired = (u64)reference % 8 == 0 && V % 2 == 0;
    for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
      int row, column;
      order.at(tile, row, column);
      const DivergenceRows rows(shape, row);
      float d[1][P::columns / 2];
      pipeline.multiply(d, steps, position);
      finish_row<0>(d[0], rows, local, reference, targets, parts, target_logits, column, paired, shape);
      finish_row<1>(d[0], rows, local + 8, reference, targets, parts, target_logits, column, paired, shape);
    }
  }
}
HOOF_EXPORT(hoof_divergence_bf16_hopper)
