// Attention forward in plain f32 arithmetic, for f32 tensors and for head dims no tensor-core kernel takes; any head dim, any alignment. A
// block of 16 × 16 threads holds 64 rows (queries × heads of the group) and walks over the keys 64 at a time. Thread (y, x) has rows 4y ...
// 4y+3; of the scores keys x, x+16, x+32, x+48, of the output dims 4x ... 4x+3 and 64+4x ... 64+4x+3. The scores are summed over 32 dims at
// a time, the probabilities pass through shared memory. blockIdx.z takes 128 dims of the output; a wider head repeats the scores for each.
// Traffic and splits as in attention_forward.h.
#pragma once
#include "attention_spans.h"

namespace attention {
static constexpr int general_threads = 256, general_dims = 128, general_slice = 32;
static constexpr int slice_stride = general_slice + 4, wide_stride = general_dims + 4;

/// Rows first ..< end (at most `rows`), dims from `dim` on (at most `columns`, below head_dim) of `source` as f32; zero outside.
template <int rows, int columns, int stride, class Rows>
HOOF_INLINE void load_slice(float *tile, const Rows &source, int first, int end, int dim, int head_dim) {
#pragma unroll 2
  for (int index = threadIdx.x; index < rows * columns; index += general_threads) {
    int row = index / columns, column = index % columns;
    bool wanted = first + row < end && dim + column < head_dim;
    tile[row * stride + column] = wanted ? to_float(source.row(first + row)[dim + column]) : 0.0f;
  }
}

/// s[i][j] += Σ over the slice a[row 4y+i]·b[row x+16j]; `depth` ≤ 32 is a multiple of 4.
template <int columns> HOOF_INLINE void add_products(float (&s)[4][columns], const float *a, const float *b, int depth) {
  int x = threadIdx.x % 16, y = threadIdx.x / 16;
  for (int d = 0; d < depth; d += 4) {
    float4 right[columns];
#pragma unroll
    for (int j = 0; j < columns; j++) right[j] = *reinterpret_cast<const float4 *>(b + (x + 16 * j) * slice_stride + d);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float4 left = *reinterpret_cast<const float4 *>(a + (4 * y + i) * slice_stride + d);
#pragma unroll
      for (int j = 0; j < columns; j++) {
        s[i][j] += left.x * right[j].x;
        s[i][j] += left.y * right[j].y;
        s[i][j] += left.z * right[j].z;
        s[i][j] += left.w * right[j].w;
      }
    }
  }
}

/// o[i] (dims 4x..., 64+4x...) += Σ over `depth` rows p[row 4y+i][row]·wide[row]; depth is a multiple of 4, dims behind `width` are left
/// out.
template <int stride> HOOF_INLINE void add_weighted(float (&o)[4][8], const float *p, const float *wide, int depth, int width) {
  int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int column = 64 * half + 4 * x;
    if (column >= width) continue;
    for (int j = 0; j < depth; j += 4) {
      float4 weights[4];
#pragma unroll
      for (int i = 0; i < 4; i++) weights[i] = *reinterpret_cast<const float4 *>(p + (4 * y + i) * stride + j);
#pragma unroll
      for (int r = 0; r < 4; r++) {
        float4 values = *reinterpret_cast<const float4 *>(wide + (j + r) * wide_stride + column);
#pragma unroll
        for (int i = 0; i < 4; i++) {
          float weight = r == 0 ? weights[i].x : r == 1 ? weights[i].y : r == 2 ? weights[i].z : weights[i].w;
          o[i][4 * half] += weight * values.x;
          o[i][4 * half + 1] += weight * values.y;
          o[i][4 * half + 2] += weight * values.z;
          o[i][4 * half + 3] += weight * values.w;
        }
      }
    }
  }
}

HOOF_INLINE int round_up_to_4(int x) { return (x + 3) / 4 * 4; }

template <class T>
HOOF_INLINE void general_forward(
    const T *q, const T *k, const T *v, T *out, float *log_sum_exp, float *parts, float *part_logs, const Batch &batch, int tiles,
    int splits, i64 query_rows, float scale) {
  constexpr int tile = 64, p_stride = tile + 4;
  HOOF_DYNAMIC_SHARED(float, shared);
  float *q_slice = shared, *k_slice = q_slice + tile * slice_stride, *p_tile = k_slice + tile * slice_stride,
        *v_tile = p_tile + tile * p_stride;

  BlockTile block(blockIdx.x, tiles, batch.key_heads);
  Sequence sequence = batch.sequence(block.sequence);
  int rows = sequence.rows(), first_row = block.index * tile;
  if (first_row >= rows) return;
  int last_row = (first_row + tile < rows ? first_row + tile : rows) - 1;
  int all = sequence.visible(last_row);
  int share = ((all + tile - 1) / tile + splits - 1) / splits * tile;
  int begin = (int)blockIdx.y * share, end = begin + share < all ? begin + share : all;
  int head_dim = batch.head_dim, out_dim = (int)blockIdx.z * general_dims;
  int width = head_dim - out_dim < general_dims ? head_dim - out_dim : general_dims;

  QueryRows<const T> queries(q, batch, sequence, block.head);
  KeyRows<const T> keys(k, batch, sequence.key, block.head), values(v, batch, sequence.key, block.head);
  int x = threadIdx.x % 16, y = threadIdx.x / 16;
  bool works = first_row + 4 * y < rows;
  int seen[4];
  float o[4][8] = {}, greatest[4], sum[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    seen[i] = sequence.visible(first_row + 4 * y + i);
    greatest[i] = -infinity();
    sum[i] = 0;
  }

  for (int key = begin; key < end; key += tile) {
    float s[4][4] = {};
    for (int dim = 0; dim < head_dim; dim += general_slice) {
      __syncthreads();
      load_slice<tile, general_slice, slice_stride>(q_slice, queries, first_row, rows, dim, head_dim);
      load_slice<tile, general_slice, slice_stride>(k_slice, keys, key, end, dim, head_dim);
      if (dim == 0) load_slice<tile, general_dims, wide_stride>(v_tile, values, key, end, out_dim, head_dim);
      __syncthreads();
      int depth = head_dim - dim < general_slice ? round_up_to_4(head_dim - dim) : general_slice;
      if (works) add_products(s, q_slice, k_slice, depth);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float top = greatest[i];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        int at = key + x + 16 * j;
        s[i][j] = at < seen[i] && at < end ? s[i][j] * scale : -infinity();
        top = fmaxf(top, s[i][j]);
      }
#pragma unroll
      for (int offset = 8; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, offset));
      // Rows that have seen no key yet keep exp2(-inf - 0) = 0.
      float base = top == -infinity() ? 0.0f : top;
      float shrink = exp2f(greatest[i] - base);
      greatest[i] = top;
      sum[i] *= shrink;
#pragma unroll
      for (int j = 0; j < 4; j++) {
        float p = exp2f(s[i][j] - base);
        sum[i] += p;
        p_tile[(4 * y + i) * p_stride + x + 16 * j] = p;
      }
#pragma unroll
      for (int c = 0; c < 8; c++) o[i][c] *= shrink;
    }
    __syncthreads();
    int depth = end - key < tile ? round_up_to_4(end - key) : tile;
    if (works) add_weighted<p_stride>(o, p_tile, v_tile, depth, width);
  }

#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int offset = 8; offset > 0; offset /= 2) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], offset);
    int row = first_row + 4 * y + i;
    if (row >= rows) continue;
    bool any = seen[i] > begin && begin < end;
    float log = any ? log_of_sum(greatest[i], sum[i]) : -infinity();
    if (x == 0 && out_dim == 0) {
      i64 at = statistic_index(batch, sequence, block.head, row);
      if (splits > 1) {
        part_logs[(i64)blockIdx.y * query_rows * batch.key_heads * batch.group + at] = log;
      } else {
        log_sum_exp[at] = log * ln_of_2;
      }
    }
    if (splits > 1 && !any) continue;
    i64 part = (i64)blockIdx.y * query_rows * batch.query_width();
#pragma unroll
    for (int c = 0; c < 8; c++) {
      int column = out_dim + c / 4 * 64 + 4 * x + c % 4;
      if (column >= head_dim) continue;
      float result = any ? o[i][c] / sum[i] : 0.0f;
      if (splits > 1) {
        QueryRows<float>(parts + part, batch, sequence, block.head).row(row)[column] = result;
      } else {
        QueryRows<T>(out, batch, sequence, block.head).row(row)[column] = from_float<T>(result);
      }
    }
  }
}
}  // namespace attention
