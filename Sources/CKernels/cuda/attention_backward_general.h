// Attention backward in plain f32 arithmetic, for f32 tensors and for heads wider than 128; any head dim, any alignment. The same two
// kernels as in attention_backward.h: a block of 16 × 16 threads holds 64 rows of q and dOut (or of k and v) and walks over 32 rows of the
// other side at a time; thread (y, x) has held rows 4y ... 4y+3, of the scores moving rows x and x+16, of the gradients dims 4x ... and
// 64+4x ... . blockIdx.y takes 128 dims of the gradients; a wider head repeats the scores for each. p and dScore pass through shared
// memory.
#pragma once
#include "attention_backward.h"
#include "attention_general.h"

namespace attention {
/// Shared floats: slices of 32 dims of both held and both moving matrices, p and dScore, 128 dims of both moving matrices, the moving rows.
static constexpr int general_held = 0, general_moving = general_held + 2 * 64 * slice_stride,
                     general_p = general_moving + 2 * moving_rows * slice_stride, p_stride = moving_rows + 4,
                     general_wide = general_p + 2 * 64 * p_stride, general_rows = general_wide + 2 * moving_rows * wide_stride;

/// scores = held·movingᵀ of the first pair, d of the second, over all dims; and dims out_dim ... of both moving matrices in the wide tiles.
template <class Held, class Moving>
HOOF_INLINE void general_scores(
    float (&s)[4][2], float (&d)[4][2], float *shared, const Held &held, const Held &held_d, int held_first, int held_end,
    const Moving &moving, const Moving &moving_d, int first, int end, int out_dim, int head_dim) {
  constexpr int held_size = 64 * slice_stride, moving_size = moving_rows * slice_stride, wide_size = moving_rows * wide_stride;
  for (int dim = 0; dim < head_dim; dim += general_slice) {
    __syncthreads();
    load_slice<64, general_slice, slice_stride>(shared + general_held, held, held_first, held_end, dim, head_dim);
    load_slice<64, general_slice, slice_stride>(shared + general_held + held_size, held_d, held_first, held_end, dim, head_dim);
    load_slice<moving_rows, general_slice, slice_stride>(shared + general_moving, moving, first, end, dim, head_dim);
    load_slice<moving_rows, general_slice, slice_stride>(shared + general_moving + moving_size, moving_d, first, end, dim, head_dim);
    if (dim == 0) {
      load_slice<moving_rows, general_dims, wide_stride>(shared + general_wide, moving, first, end, out_dim, head_dim);
      load_slice<moving_rows, general_dims, wide_stride>(shared + general_wide + wide_size, moving_d, first, end, out_dim, head_dim);
    }
    __syncthreads();
    int depth = head_dim - dim < general_slice ? round_up_to_4(head_dim - dim) : general_slice;
    add_products(s, shared + general_held, shared + general_moving, depth);
    add_products(d, shared + general_held + held_size, shared + general_moving + moving_size, depth);
  }
}

template <class T, class Rows>
HOOF_INLINE void store_general(const float (&sums)[4][8], float scale, const Rows &target, int first, int end, int out_dim, int head_dim) {
  int x = threadIdx.x % 16, y = threadIdx.x / 16;
  for (int i = 0; i < 4; i++) {
    if (first + 4 * y + i >= end) continue;
    T *row = target.row(first + 4 * y + i);
    for (int c = 0; c < 8; c++) {
      int column = out_dim + c / 4 * 64 + 4 * x + c % 4;
      if (column < head_dim) row[column] = from_float<T>(sums[i][c] * scale);
    }
  }
}

template <class T>
HOOF_INLINE void general_queries(
    const T *d_out, const T *q, const T *k, const T *v, const RowStatistics *statistics, T *dq, const Batch &batch, int tiles,
    float scale, float scale2) {
  HOOF_DYNAMIC_SHARED(float, shared);
  BlockTile block(blockIdx.x, tiles, batch.key_heads);
  Sequence sequence = batch.sequence(block.sequence);
  int rows = sequence.rows(), first_row = block.index * 64, head_dim = batch.head_dim;
  if (first_row >= rows) return;
  int last_row = (first_row + 64 < rows ? first_row + 64 : rows) - 1;
  int end = sequence.visible(last_row), out_dim = (int)blockIdx.y * general_dims, x = threadIdx.x % 16, y = threadIdx.x / 16;
  int seen[4];
  RowStatistics own[4] = {};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    int row = first_row + 4 * y + i;
    seen[i] = sequence.visible(row);
    if (row < rows) own[i] = statistics[statistic_index(batch, sequence, block.head, row)];
  }
  QueryRows<const T> queries(q, batch, sequence, block.head), gradients(d_out, batch, sequence, block.head);
  KeyRows<const T> keys(k, batch, sequence.key, block.head), values(v, batch, sequence.key, block.head);
  float sums[4][8] = {};
  for (int key = 0; key < end; key += moving_rows) {
    float s[4][2] = {}, d[4][2] = {};
    general_scores(s, d, shared, queries, gradients, first_row, rows, keys, values, key, end, out_dim, head_dim);
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        bool sees = key + x + 16 * j < seen[i];
        float change = sees ? exp2f(s[i][j] * scale2 - own[i].log) * (d[i][j] - own[i].expected) : 0.0f;
        shared[general_p + (4 * y + i) * p_stride + x + 16 * j] = change;
      }
    }
    __syncthreads();
    add_weighted<p_stride>(sums, shared + general_p, shared + general_wide, moving_rows, head_dim - out_dim);
  }
  store_general<T>(sums, scale, QueryRows<T>(dq, batch, sequence, block.head), first_row, rows, out_dim, head_dim);
}

template <class T>
HOOF_INLINE void general_keys(
    const T *d_out, const T *q, const T *k, const T *v, const RowStatistics *statistics, T *dk, T *dv, const Batch &batch,
    i64 key_rows, float scale, float scale2) {
  HOOF_DYNAMIC_SHARED(float, shared);
  MovingRow *moving = reinterpret_cast<MovingRow *>(shared + general_rows);
  int head = blockIdx.x % batch.key_heads, head_dim = batch.head_dim, out_dim = (int)blockIdx.y * general_dims;
  i64 first_key = (i64)(blockIdx.x / batch.key_heads) * 64;
  int held = (int)(key_rows - first_key < 64 ? key_rows - first_key : 64), x = threadIdx.x % 16, y = threadIdx.x / 16;
  KeyRows<const T> keys(k, batch, first_key, head), values(v, batch, first_key, head);
  float dk_sums[4][8] = {}, dv_sums[4][8] = {};
  for_each_sequence(batch, first_key, first_key + held, [&](Sequence sequence) {
    QueryRows<const T> queries(q, batch, sequence, head), gradients(d_out, batch, sequence, head);
    int rows = sequence.rows(), offset = (int)(first_key - sequence.key);  // of the block's first key in the sequence; negative before it
    for (int row = first_row_seeing(sequence, offset > 0 ? offset : 0); row < rows; row += moving_rows) {
      __syncthreads();  // nobody reads the last rows any more
      int mine = row + (int)threadIdx.x;
      if (threadIdx.x < moving_rows) {
        moving[threadIdx.x] = {};
        if (mine < rows) {
          RowStatistics known = statistics[statistic_index(batch, sequence, head, mine)];
          moving[threadIdx.x] = {known.log, known.expected, sequence.visible(mine)};
        }
      }
      float s[4][2] = {}, d[4][2] = {};
      general_scores(s, d, shared, keys, values, 0, held, queries, gradients, row, rows, out_dim, head_dim);
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
          MovingRow other = moving[x + 16 * j];
          int key = offset + 4 * y + i;
          bool sees = key >= 0 && key < other.seen;
          float p = sees ? exp2f(s[i][j] * scale2 - other.log) : 0.0f;
          int at = (4 * y + i) * p_stride + x + 16 * j;
          shared[general_p + at] = p;
          shared[general_p + 64 * p_stride + at] = sees ? p * (d[i][j] - other.expected) : 0.0f;
        }
      }
      __syncthreads();
      int width = head_dim - out_dim;
      add_weighted<p_stride>(dv_sums, shared + general_p, shared + general_wide + moving_rows * wide_stride, moving_rows, width);
      add_weighted<p_stride>(dk_sums, shared + general_p + 64 * p_stride, shared + general_wide, moving_rows, width);
    }
  });
  store_general<T>(dk_sums, scale, KeyRows<T>(dk, batch, first_key, head), 0, held, out_dim, head_dim);
  store_general<T>(dv_sums, 1.0f, KeyRows<T>(dv, batch, first_key, head), 0, held, out_dim, head_dim);
}
}  // namespace attention
