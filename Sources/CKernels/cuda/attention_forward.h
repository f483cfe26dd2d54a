// Attention forward on tensor cores (FlashAttention-2, arXiv 2307.08691): a block holds 64 rows (queries × heads of the group) and walks
// over the keys 64 at a time; a warp owns 16 rows. Scores, running maximum and sum stay in f32 registers (exp2, the scale multiplied by
// log2 e), probabilities are rounded to bf16 in registers, where they already lie as the A operand of the product with the values. Traffic:
// q, out once; keys and values once per 64 rows, the repeats out of L2. While one of K, V is multiplied the other is on its way. With
// splits > 1 (few queries, many keys) blockIdx.y takes its share of the keys and leaves a normalised f32 part and log2 Σ exp2 for
// attention::merge. A key a row does not see but its tile does is multiplied by an exact zero: inf or NaN in such a value row reaches it.
#pragma once
#include "attention_tensor.h"

namespace attention {
template <int dims>
HOOF_INLINE void forward(
    const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, float *log_sum_exp, float *parts, float *part_logs, const Batch &batch,
    int tiles, int splits, i64 query_rows, float scale, bool vector) {
  constexpr int tile_keys = 64, unit = 32;
  HOOF_DYNAMIC_SHARED(bf16, shared);
  bf16 *q_tile = shared, *k_tile = q_tile + 64 * tile_stride<dims>, *v_tile = k_tile + tile_keys * tile_stride<dims>;

  BlockTile block(blockIdx.x, tiles, batch.key_heads);
  Sequence sequence = batch.sequence(block.sequence);
  int rows = sequence.rows(), first_row = block.index * 64;
  if (first_row >= rows) return;
  int last_row = (first_row + 64 < rows ? first_row + 64 : rows) - 1;
  int all = sequence.visible(last_row);
  int share = ((all + tile_keys - 1) / tile_keys + splits - 1) / splits * tile_keys;
  int begin = (int)blockIdx.y * share, end = begin + share < all ? begin + share : all;

  QueryRows<const bf16> queries(q, batch, sequence, block.head);
  KeyRows<const bf16> keys(k, batch, sequence.key, block.head), values(v, batch, sequence.key, block.head);
  int head_dim = batch.head_dim;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, t = lane % 4;
  int warp_row = first_row + warp * 16, row = warp_row + lane / 4;  // this thread has results of row and row + 8
  int seen[2] = {sequence.visible(row), sequence.visible(row + 8)};
  int warp_last = warp_row + 15 < last_row ? warp_row + 15 : last_row;
  int warp_end = warp_row < rows ? sequence.visible(warp_last) : 0;        // keys any row of the warp sees
  int warp_full = warp_row + 15 < rows ? sequence.visible(warp_row) : 0;  // keys all of them see

  float o[dims / 8][4] = {};
  float greatest[2] = {-infinity(), -infinity()}, sum[2] = {0, 0};
  if (begin < end) {
    load_tile<dims, 64>(q_tile, queries, first_row, rows, head_dim, vector);
    load_tile<dims, tile_keys>(k_tile, keys, begin, end, head_dim, vector);
    copy_async_commit();
    load_tile<dims, tile_keys>(v_tile, values, begin, end, head_dim, vector);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    for (int key = begin; key < end; key += tile_keys) {
      bool works = key < warp_end;
      float s[tile_keys / 8][4] = {};
      if (works) {
#pragma unroll
        for (int u = 0; u < tile_keys / unit; u++) {
          if (key + u * unit < warp_end) {
#pragma unroll
            for (int i = 0; i < dims / 16; i++) {
              // Kept in registers the queries would cost a block per multiprocessor.
              u32 a[4];
              load_a<dims>(a, q_tile, warp * 16, i * 16);
#pragma unroll
              for (int j = 0; j < unit / 16; j++) {
                u32 b[4];
                load_b_rows<dims>(b, k_tile, u * unit + j * 16, i * 16);
                mma_bf16_16x8x16(s[(u * unit + j * 16) / 8], a, b[0], b[1]);
                mma_bf16_16x8x16(s[(u * unit + j * 16) / 8 + 1], a, b[2], b[3]);
              }
            }
          }
        }
        bool masked = key + tile_keys > warp_full || key + tile_keys > end;
        float top[2] = {-infinity(), -infinity()};
#pragma unroll
        for (int n = 0; n < tile_keys / 8; n++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            s[n][e] *= scale;
            if (masked) {
              int at = key + n * 8 + 2 * t + e % 2;
              if (at >= seen[e / 2] || at >= end) s[n][e] = -infinity();
            }
            top[e / 2] = fmaxf(top[e / 2], s[n][e]);
          }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
          top[h] = fmaxf(top[h], __shfl_xor_sync(0xffffffffu, top[h], 1));
          top[h] = fmaxf(top[h], __shfl_xor_sync(0xffffffffu, top[h], 2));
          top[h] = fmaxf(top[h], greatest[h]);
          // Rows that have seen no key yet keep exp2(-inf - 0) = 0.
          float base = top[h] == -infinity() ? 0.0f : top[h];
          float shrink = exp2f(greatest[h] - base);
          greatest[h] = top[h];
          sum[h] *= shrink;
#pragma unroll
          for (int n = 0; n < tile_keys / 8; n++) {
            s[n][2 * h] = exp2f(s[n][2 * h] - base);
            s[n][2 * h + 1] = exp2f(s[n][2 * h + 1] - base);
            sum[h] += s[n][2 * h] + s[n][2 * h + 1];
          }
#pragma unroll
          for (int n = 0; n < dims / 8; n++) {
            o[n][2 * h] *= shrink;
            o[n][2 * h + 1] *= shrink;
          }
        }
      }
      bool more = key + tile_keys < end;
      copy_async_wait<0>();
      __syncthreads();  // the values are here, and nobody reads the keys any more
      if (more) load_tile<dims, tile_keys>(k_tile, keys, key + tile_keys, end, head_dim, vector);
      copy_async_commit();
      if (works) {
#pragma unroll
        for (int j = 0; j < tile_keys / 16; j++) {
          if (key + j * 16 < warp_end) {
            u32 p[4];
            result_as_a(p, s, j);
#pragma unroll
            for (int n = 0; n < dims / 16; n++) {
              u32 b[4];
              load_b_dims<dims>(b, v_tile, j * 16, n * 16);
              mma_bf16_16x8x16(o[2 * n], p, b[0], b[1]);
              mma_bf16_16x8x16(o[2 * n + 1], p, b[2], b[3]);
            }
          }
        }
      }
      if (!more) break;
      copy_async_wait<0>();
      __syncthreads();  // the next keys are here, and nobody reads the values any more
      load_tile<dims, tile_keys>(v_tile, values, key + tile_keys, end, head_dim, vector);
      copy_async_commit();
    }
  }

  float factor[2];
#pragma unroll
  for (int h = 0; h < 2; h++) {
    sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 1);
    sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 2);
    bool any = seen[h] > begin && begin < end;
    factor[h] = any ? 1.0f / sum[h] : 0.0f;
    if (!any) {
#pragma unroll
      for (int n = 0; n < dims / 8; n++) o[n][2 * h] = o[n][2 * h + 1] = 0;
    }
    float log = any ? log_of_sum(greatest[h], sum[h]) : -infinity();
    if (t == 0 && row + 8 * h < rows) {
      i64 at = statistic_index(batch, sequence, block.head, row + 8 * h);
      if (splits > 1) {
        part_logs[(i64)blockIdx.y * query_rows * batch.key_heads * batch.group + at] = log;
      } else {
        log_sum_exp[at] = log * ln_of_2;
      }
    }
  }
  if (splits > 1) {
    QueryRows<float> target(parts + (i64)blockIdx.y * query_rows * batch.query_width(), batch, sequence, block.head);
#pragma unroll
    for (int h = 0; h < 2; h++) {
      if (row + 8 * h >= rows || seen[h] <= begin) continue;
      float *to = target.row(row + 8 * h);
#pragma unroll
      for (int n = 0; n < dims / 8; n++) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          int column = n * 8 + 2 * t + e;
          if (column < head_dim) to[column] = o[n][2 * h + e] * factor[h];
        }
      }
    }
  } else {
    QueryRows<bf16> target(out, batch, sequence, block.head);
    store_rows<dims>(
        o, factor[0], factor[1], q_tile + warp * 16 * tile_stride<dims>, target, warp_row, rows, head_dim, vector);
  }
}
}  // namespace attention
