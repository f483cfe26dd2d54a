// Attention backward on tensor cores. With p = exp2(score - log) and dScore = p·(dOut·vᵀ - dOut·out): dq = scale·dScore·k in one kernel,
// whose blocks hold 64 rows (queries × heads of the group) and walk over the keys; dk = scale·dScoreᵀ·q and dv = pᵀ·dOut in another, whose
// blocks hold 64 keys of one key head and walk over the rows that see them, all heads of the group one after the other: no atomics, every
// sum in one order. Both hold 64 rows of two matrices in shared memory (q, dOut or k, v) and take the other two 32 rows at a time, the next
// 32 on their way meanwhile; a warp owns 16 rows of the results in f32 registers. Scores are computed twice, p and dScore are rounded to
// bf16 in registers. Traffic: each matrix once per 64 rows of the other side, the repeats out of L2. What is masked is multiplied by an
// exact zero: inf or NaN in a row of dOut or q reaches the gradients of all keys of a block that meets it.
#pragma once
#include "attention_statistics.h"
#include "attention_tensor.h"

namespace attention {
static constexpr int moving_rows = 32;

/// What a block of keys needs of a row it multiplies with.
struct alignas(16) MovingRow {
  float log, expected;
  int seen;  // keys of the sequence
};

/// Two tiles of 64 rows that stay, then two stages of two tiles of 32 rows that move and what is known of them.
template <int dims> struct BackwardTiles {
  bf16 *shared;
  HOOF_INLINE bf16 *held(int i) const { return shared + i * 64 * tile_stride<dims>; }
  HOOF_INLINE bf16 *moving(int stage, int i) const { return shared + (128 + (2 * stage + i) * moving_rows) * tile_stride<dims>; }
  HOOF_INLINE MovingRow *rows(int stage) const {
    return reinterpret_cast<MovingRow *>(shared + (128 + 4 * moving_rows) * tile_stride<dims>) + stage * moving_rows;
  }
};

/// x += the warp's 16 rows of `held` · the 32 rows of `moving`, transposed.
template <int dims> HOOF_INLINE void add_scores(float (&x)[moving_rows / 8][4], const bf16 *held, const bf16 *moving) {
#pragma unroll 4
  for (int i = 0; i < dims / 16; i++) {
    u32 a[4];
    load_a<dims>(a, held, threadIdx.x / 32 * 16, i * 16);
#pragma unroll
    for (int j = 0; j < moving_rows / 16; j++) {
      u32 b[4];
      load_b_rows<dims>(b, moving, j * 16, i * 16);
      mma_bf16_16x8x16(x[2 * j], a, b[0], b[1]);
      mma_bf16_16x8x16(x[2 * j + 1], a, b[2], b[3]);
    }
  }
}
/// sums += x, rounded to bf16, · the 32 rows of `moving`.
template <int dims> HOOF_INLINE void add_gradients(float (&sums)[dims / 8][4], const float (&x)[moving_rows / 8][4], const bf16 *moving) {
#pragma unroll
  for (int j = 0; j < moving_rows / 16; j++) {
    u32 a[4];
    result_as_a(a, x, j);
#pragma unroll
    for (int n = 0; n < dims / 16; n++) {
      u32 b[4];
      load_b_dims<dims>(b, moving, j * 16, n * 16);
      mma_bf16_16x8x16(sums[2 * n], a, b[0], b[1]);
      mma_bf16_16x8x16(sums[2 * n + 1], a, b[2], b[3]);
    }
  }
}

/// scale2 is the scale of the scores times log2 e.
template <int dims>
HOOF_INLINE void backward_queries(
    const bf16 *d_out, const bf16 *q, const bf16 *k, const bf16 *v, const RowStatistics *statistics, bf16 *dq, const Batch &batch,
    int tiles, float scale, float scale2, bool vector) {
  HOOF_DYNAMIC_SHARED(bf16, shared);
  BackwardTiles<dims> tile{shared};
  BlockTile block(blockIdx.x, tiles, batch.key_heads);
  Sequence sequence = batch.sequence(block.sequence);
  int rows = sequence.rows(), first_row = block.index * 64;
  if (first_row >= rows) return;
  int last_row = (first_row + 64 < rows ? first_row + 64 : rows) - 1;
  int end = sequence.visible(last_row), head_dim = batch.head_dim;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, t = lane % 4;
  int warp_row = first_row + warp * 16, row = warp_row + lane / 4;
  int warp_last = warp_row + 15 < last_row ? warp_row + 15 : last_row;
  int warp_end = warp_row < rows ? sequence.visible(warp_last) : 0;
  int seen[2] = {sequence.visible(row), sequence.visible(row + 8)};
  RowStatistics own[2] = {};
#pragma unroll
  for (int h = 0; h < 2; h++) {
    if (row + 8 * h < rows) own[h] = statistics[statistic_index(batch, sequence, block.head, row + 8 * h)];
  }
  KeyRows<const bf16> keys(k, batch, sequence.key, block.head), values(v, batch, sequence.key, block.head);

  float sums[dims / 8][4] = {};
  if (end > 0) {
    load_tile<dims, 64>(tile.held(0), QueryRows<const bf16>(q, batch, sequence, block.head), first_row, rows, head_dim, vector);
    load_tile<dims, 64>(tile.held(1), QueryRows<const bf16>(d_out, batch, sequence, block.head), first_row, rows, head_dim, vector);
    load_tile<dims, moving_rows>(tile.moving(0, 0), keys, 0, end, head_dim, vector);
    load_tile<dims, moving_rows>(tile.moving(0, 1), values, 0, end, head_dim, vector);
    copy_async_commit();
  }
  int stage = 0;
#pragma unroll 1
  for (int key = 0; key < end; key += moving_rows, stage ^= 1) {
    copy_async_wait<0>();
    __syncthreads();  // this stage is here, and nobody reads the other any more
    if (key + moving_rows < end) {
      load_tile<dims, moving_rows>(tile.moving(stage ^ 1, 0), keys, key + moving_rows, end, head_dim, vector);
      load_tile<dims, moving_rows>(tile.moving(stage ^ 1, 1), values, key + moving_rows, end, head_dim, vector);
    }
    copy_async_commit();
    if (key >= warp_end) continue;
    float s[moving_rows / 8][4] = {}, d[moving_rows / 8][4] = {};
    add_scores<dims>(s, tile.held(0), tile.moving(stage, 0));
    __syncwarp();
    add_scores<dims>(d, tile.held(1), tile.moving(stage, 1));
#pragma unroll
    for (int n = 0; n < moving_rows / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        // What is masked is chosen, not multiplied: p would be inf where no key is seen.
        bool sees = key + n * 8 + 2 * t + e % 2 < seen[e / 2];
        float p = exp2f(s[n][e] * scale2 - own[e / 2].log);
        d[n][e] = sees ? p * (d[n][e] - own[e / 2].expected) : 0.0f;
      }
    }
    __syncwarp();
    add_gradients<dims>(sums, d, tile.moving(stage, 0));
  }
  QueryRows<bf16> target(dq, batch, sequence, block.head);
  // Warps read only their own rows of what is held.
  store_rows<dims>(sums, scale, scale, tile.held(0) + warp * 16 * tile_stride<dims>, target, warp_row, rows, head_dim, vector);
}

/// Calls `body` with every sequence that has queries and keys in rows first ..< end of k, in order. Every warp looks for itself, 128 at a
/// time.
template <class Body> HOOF_INLINE void for_each_sequence(const Batch &batch, i64 first, i64 end, Body body) {
  int lane = threadIdx.x % 32;
#pragma unroll 1
  for (int base = 0; base < batch.count; base += 128) {
    bool touches[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int index = base + i * 32 + lane;
      touches[i] = false;
      if (index < batch.count) {
        Sequence sequence = batch.sequence(index);
        touches[i] = sequence.queries > 0 && sequence.keys > 0 && sequence.key < end && sequence.key + sequence.keys > first;
      }
    }
#pragma unroll 1
    for (int i = 0; i < 4; i++) {
      bool mine = i == 0 ? touches[0] : i == 1 ? touches[1] : i == 2 ? touches[2] : touches[3];
      u32 found = __ballot_sync(0xffffffffu, mine);
#pragma unroll 1
      for (int bit = 0; found >> bit != 0; bit++) {
        if (found >> bit & 1) body(batch.sequence(base + i * 32 + bit));
        if (bit == 31) break;
      }
    }
  }
}

/// The first row of a sequence that sees its key `key`.
HOOF_INLINE int first_row_seeing(const Sequence &sequence, int key) {
  int query = sequence.causal ? key - sequence.keys + sequence.queries : 0;
  return query > 0 ? query * sequence.group : 0;
}

/// A block owns 64 rows of k and v, whatever sequences they belong to (several may share them), and writes their gradients; rows that no
/// query sees get zero.
template <int dims>
HOOF_INLINE void backward_keys(
    const bf16 *d_out, const bf16 *q, const bf16 *k, const bf16 *v, const RowStatistics *statistics, bf16 *dk, bf16 *dv,
    const Batch &batch, i64 key_rows, float scale, float scale2, bool vector) {
  HOOF_DYNAMIC_SHARED(bf16, shared);
  BackwardTiles<dims> tile{shared};
  int head = blockIdx.x % batch.key_heads, head_dim = batch.head_dim;
  i64 first_key = (i64)(blockIdx.x / batch.key_heads) * 64;
  int held = (int)(key_rows - first_key < 64 ? key_rows - first_key : 64);
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, t = lane % 4;
  load_tile<dims, 64>(tile.held(0), KeyRows<const bf16>(k, batch, first_key, head), 0, held, head_dim, vector);
  load_tile<dims, 64>(tile.held(1), KeyRows<const bf16>(v, batch, first_key, head), 0, held, head_dim, vector);
  copy_async_commit();

  float dk_sums[dims / 8][4] = {}, dv_sums[dims / 8][4] = {};
  for_each_sequence(batch, first_key, first_key + held, [&](Sequence sequence) {
    int rows = sequence.rows();
    int offset = (int)(first_key - sequence.key);             // of the block's first key in the sequence; negative before it
    int first = first_row_seeing(sequence, offset > 0 ? offset : 0);
    int warp_key = offset + warp * 16, own_key = warp_key + lane / 4;  // this thread has results of own_key and own_key + 8
    if (first >= rows) return;
    __syncthreads();  // the last sequence's tiles are free
    MovingRow next = {};
    auto fetch = [&](int row, int stage) {
      load_tile<dims, moving_rows>(tile.moving(stage, 0), QueryRows<const bf16>(q, batch, sequence, head), row, rows, head_dim, vector);
      load_tile<dims, moving_rows>(tile.moving(stage, 1), QueryRows<const bf16>(d_out, batch, sequence, head), row, rows, head_dim, vector);
      int mine = row + (int)threadIdx.x;
      if (threadIdx.x >= moving_rows) return;
      next = {};
      if (mine >= rows) return;
      RowStatistics known = statistics[statistic_index(batch, sequence, head, mine)];
      next = {known.log, known.expected, sequence.visible(mine)};
    };
    fetch(first, 0);
    copy_async_commit();
    int stage = 0;
#pragma unroll 1
    for (int row = first; row < rows; row += moving_rows, stage ^= 1) {
      if (threadIdx.x < moving_rows) tile.rows(stage)[threadIdx.x] = next;
      copy_async_wait<0>();
      __syncthreads();  // this stage is here, and nobody reads the other any more
      if (row + moving_rows < rows) fetch(row + moving_rows, stage ^ 1);
      copy_async_commit();
      int last = (row + moving_rows < rows ? row + moving_rows : rows) - 1;
      if (warp_key >= sequence.visible(last) || warp_key + 15 < 0) continue;
      const bf16 *q_tile = tile.moving(stage, 0), *d_tile = tile.moving(stage, 1);
      float p[moving_rows / 8][4] = {};
      add_scores<dims>(p, tile.held(0), q_tile);
#pragma unroll
      for (int n = 0; n < moving_rows / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          MovingRow other = tile.rows(stage)[n * 8 + 2 * t + e % 2];
          int key = own_key + e / 2 * 8;
          p[n][e] = key >= 0 && key < other.seen ? exp2f(p[n][e] * scale2 - other.log) : 0.0f;
        }
      }
      __syncwarp();
      add_gradients<dims>(dv_sums, p, d_tile);
      __syncwarp();
      float d[moving_rows / 8][4] = {};
      add_scores<dims>(d, tile.held(1), d_tile);
#pragma unroll
      for (int n = 0; n < moving_rows / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          MovingRow other = tile.rows(stage)[n * 8 + 2 * t + e % 2];
          int key = own_key + e / 2 * 8;
          d[n][e] = key >= 0 && key < other.seen ? p[n][e] * (d[n][e] - other.expected) : 0.0f;
        }
      }
      __syncwarp();
      add_gradients<dims>(dk_sums, d, q_tile);
    }
  });
  copy_async_wait<0>();
  __syncthreads();
  int rows_left = held - warp * 16;
  KeyRows<bf16> dk_rows(dk, batch, first_key + warp * 16, head), dv_rows(dv, batch, first_key + warp * 16, head);
  store_rows<dims>(dk_sums, scale, scale, tile.held(0) + warp * 16 * tile_stride<dims>, dk_rows, 0, rows_left, head_dim, vector);
  store_rows<dims>(dv_sums, 1.0f, 1.0f, tile.held(1) + warp * 16 * tile_stride<dims>, dv_rows, 0, rows_left, head_dim, vector);
}
}  // namespace attention
