// Fused LM head + KL on Hopper: logits = hidden [k·M, C] · weight [V, C]ᵀ, bf16, exist only as accumulators of one tile at a time; each row
// of a tile becomes a DivergencePart of 32 bytes (divergence.h), which hoof_divergence_merge turns into the row's three results.
//
// Mapping: the pipeline of matmul_sm90a.cu with tiles of 128 rows × 256 columns; a quad of lanes has two rows of 256 columns. Tiles of rows
// never straddle spans (one span is what one variant compares with the reference's rows), so that the reference row is a remainder. Order:
// 16 tiles of rows at a time, which keep their hidden states in the second cache while the vocabulary goes by; so weights are read from
// memory once per 2048 rows. Traffic per tile besides the product's: 128 KB of reference logits, which the producer warp fetches into the
// second cache while the tile is multiplied, and 4 KB of parts. Arithmetic of the epilogue: about 28 instructions, two of them ex2, an element,
// 7200 clocks of all four schedulers beside 24600 of the product at C = 3072. The consumers share the buffers, so that one is ahead of the
// other by four steps (2000 clocks) at most: that much of the epilogue runs beside products, the rest while the tensor cores wait.
#include "divergence.h"
#include "pipeline_sm90a.h"

HOOF_KERNEL __launch_bounds__(384, 1) hoof_divergence_bf16_hopper(
    const __grid_constant__ TensorMap hidden, const __grid_constant__ TensorMap weight, const float *reference, const i32 *targets,
    DivergencePart *parts, float *target_logits, i32 C, DivergenceShape shape) {
  using P = Pipeline<128, 256, 4>;
  HOOF_DYNAMIC_SHARED(u8, shared);
  const P pipeline{shared};
  pipeline.start();
  const TileOrder order{DivergenceRows::tiles(shape), shape.parts, 16};
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
      finish_row<P::columns / 8, 0>(
          d[0], rows, local, reference, targets, parts, target_logits, column * P::columns, column, paired, shape);
      // Handing the number through a shuffle keeps the second row's addresses out of the registers while the first is worked on.
      const int second = __shfl_sync(0xffffffffu, local + 8, lane);
      finish_row<P::columns / 8, 1>(
          d[0], rows, second, reference, targets, parts, target_logits, column * P::columns, column, paired, shape);
    }
  }
}
HOOF_EXPORT(hoof_divergence_bf16_hopper)
