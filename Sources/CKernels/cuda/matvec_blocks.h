// Products of up to eight rows with Q8_0 and Q4_K weights: out [m, n] = a [m, k]·b [n, k]ᵀ + beta·out, a matter of reading b once. A warp
// computes two or four columns of out, walking along k in chunks of 1024: a lane decodes 32 neighbours (a Q8_0 block, a sub-block of
// Q4_K) of each of its rows of b. Bytes come through a ring in shared memory, copied in the background as they lie, 16 bytes at a time
// where rows allow it (blocks of 34 bytes would cost a memory transaction every two bytes otherwise); a comes the same way, once for the
// block's four warps, its 16-byte pieces arranged so that neither the copies nor the lanes, 32 elements apart, meet a bank twice. Values
// are exact f32 (bytes become floats by the exponent trick: two instructions instead of a slow conversion), activations stay as they are,
// sums are f32: per 32 neighbours, then over chunks, then over lanes.
#pragma once
#include "blocks.h"
#include "matvec.h"

/// Rows of b are 4-byte aligned; product_packed_b: 16-byte aligned.
enum { product_words_b = 8 };

/// What a lane reads of 1024 neighbours of a row.
template <class Block> struct LaneBlock;

template <> struct LaneBlock<q8_0> {
  static constexpr int chunk_bytes = 32 * q8_0::bytes;
  u32 words[9];
  float scale;

  HOOF_INLINE void load(const u8 *chunk) {
    int lane = threadIdx.x % 32;
    const u32 *p = reinterpret_cast<const u32 *>(chunk) + lane * 17 / 2;
#pragma unroll
    for (int i = 0; i < 9; i++) words[i] = p[i];
    // Even lanes' blocks begin on a word: scale and first quants share it. Odd lanes' scales are the upper half of words[0].
    bool odd = lane & 1;
    scale = half_to_float((u16)(odd ? words[0] >> 16 : words[0]));
#pragma unroll
    for (int i = 0; i < 8; i++) words[i] = (odd ? words[i + 1] : words[i] >> 16 | words[i + 1] << 16) ^ 0x80808080u;
  }
  /// Value i of the 32, to be multiplied by `scale`: 2²³ + 128 + quant as a float, less the first two.
  HOOF_INLINE float value(int i) const { return __uint_as_float(__byte_perm(words[i / 4], 0x4b000000u, 0x7440 + i % 4)) - 8388736.0f; }
};

template <> struct LaneBlock<q4_K> {
  static constexpr int chunk_bytes = 4 * q4_K::bytes;
  static constexpr float scale = 1.0f;
  u32 words[8];
  float factor, offset;

  HOOF_INLINE void load(const u8 *chunk) {
    int lane = threadIdx.x % 32, sub_block = lane % 8;
    const u8 *block = chunk + lane / 8 * q4_K::bytes;
    uint4 header = *(const uint4 *)block, first = *(const uint4 *)(block + 16 + sub_block / 2 * 32);
    uint4 second = *(const uint4 *)(block + 32 + sub_block / 2 * 32);
    BlockScale s = q4_K_scale(header.x, header.y, header.z, header.w, sub_block);
    words[0] = first.x, words[1] = first.y, words[2] = first.z, words[3] = first.w;
    words[4] = second.x, words[5] = second.y, words[6] = second.z, words[7] = second.w;
    // A nibble on bits 19...22 below the exponent of 1 is 1 + q/16: 16·scale·(1 + q/16) - (16·scale + offset).
    factor = 16.0f * s.scale, offset = factor + s.offset;
#pragma unroll
    for (int i = 0; i < 8; i++) words[i] = (sub_block & 1 ? words[i] >> 1 : words[i] << 3) & 0x78787878u | 0x80808080u;
  }
  HOOF_INLINE float value(int i) const {
    return fmaf(factor, __uint_as_float(__byte_perm(words[i / 4], 0x3f000000u, 0x7044 + (i % 4 << 8))), -offset);
  }
};

/// 1024 neighbours of a row of a: lane l's 32 elements are `pieces` pieces of 16 bytes.
template <class A> struct LaneRow {
  static constexpr int bytes = 1024 * (int)sizeof(A), width = 16 / (int)sizeof(A), pieces = 32 / width;
  HOOF_INLINE static int offset(int lane, int piece) { return (piece * 32 + (lane ^ piece * (8 / pieces))) * 16; }
};
HOOF_INLINE void unpack_piece(float (&x)[4], const u8 *p, float) {
  float4 v = *(const float4 *)p;
  x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
}
HOOF_INLINE void unpack_piece(float (&x)[8], const u8 *p, bf16) {
  uint4 v = *(const uint4 *)p;
  u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int i = 0; i < 4; i++) x[2 * i] = __uint_as_float(words[i] << 16), x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
}

template <class A, class Block, int rows> struct FewRows {
  static constexpr int warps = 4, threads = 32 * warps, columns = rows <= 2 ? 2 : 4, stages = rows <= 2 ? 3 : 2, count = rows * columns;
  static constexpr int chunk_bytes = LaneBlock<Block>::chunk_bytes;
  static constexpr int slot_bytes = rows * LaneRow<A>::bytes + warps * columns * chunk_bytes;

  const A *a;
  const u8 *b;
  int m, n, k, flags, row_bytes, first;

  /// Starts copying a chunk of a (all warps) and of this warp's rows of b; zeros beyond the ends.
  HOOF_INLINE void fetch(u8 *slot, int chunk) const {
    using Row = LaneRow<A>;
#pragma unroll 1
    for (int i = threadIdx.x; i < rows * (1024 / Row::width); i += threads) {
      int row = i / (1024 / Row::width), piece = i % (1024 / Row::width), at = chunk * 1024 + piece * Row::width;
      u8 *to = slot + row * Row::bytes + Row::offset(piece / Row::pieces, piece % Row::pieces);
      const A *from = a + (i64)row * k + at;
      if (flags & product_packed_a) {
        copy_async_16(to, from, row < m && at < k);
      } else {
        for (int e = 0; e < Row::width; e++) reinterpret_cast<A *>(to)[e] = row < m && at + e < k ? from[e] : from_float<A>(0.0f);
      }
    }
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < columns; j++) {
      u8 *to = slot + rows * Row::bytes + (threadIdx.x / 32 * columns + j) * chunk_bytes;
      const u8 *from = b + (i64)(first + j) * row_bytes + chunk * chunk_bytes;
      int left = first + j < n ? row_bytes - chunk * chunk_bytes : 0;
      if (flags & product_packed_b) {
#pragma unroll
        for (int i = lane * 16; i < chunk_bytes; i += 512) copy_async_16(to + i, from + i, i < left);
      } else if (flags & product_words_b) {
#pragma unroll 1
        for (int i = lane * 4; i < chunk_bytes; i += 128) copy_async_4(to + i, from + i, i < left);
      } else {
#pragma unroll 1
        for (int i = lane * 2; i < chunk_bytes; i += 64) *(u16 *)(to + i) = i < left ? *(const u16 *)(from + i) : (u16)0;
      }
    }
  }

  HOOF_INLINE void add(float (&sum)[count], const u8 *slot) const {
    using Row = LaneRow<A>;
    LaneBlock<Block> block[columns];
#pragma unroll
    for (int j = 0; j < columns; j++) block[j].load(slot + rows * Row::bytes + (threadIdx.x / 32 * columns + j) * chunk_bytes);
    float part[count] = {};
#pragma unroll
    for (int piece = 0; piece < Row::pieces; piece++) {
      float w[columns][Row::width];
#pragma unroll
      for (int j = 0; j < columns; j++)
#pragma unroll
        for (int e = 0; e < Row::width; e++) w[j][e] = block[j].value(piece * Row::width + e);
#pragma unroll
      for (int i = 0; i < rows; i++) {
        float x[Row::width];
        unpack_piece(x, slot + i * Row::bytes + Row::offset(threadIdx.x % 32, piece), A{});
#pragma unroll
        for (int j = 0; j < columns; j++)
#pragma unroll
          for (int e = 0; e < Row::width; e++) part[i * columns + j] = fmaf(x[e], w[j][e], part[i * columns + j]);
      }
    }
#pragma unroll
    for (int i = 0; i < count; i++) sum[i] = fmaf(block[i % columns].scale, part[i], sum[i]);
  }
};

template <class A, class Block, int rows>
HOOF_INLINE void multiply_block_rows(const A *a, const void *b, void *out, int m, int n, int k, float beta, int flags) {
  HOOF_DYNAMIC_SHARED(u8, shared);
  using Work = FewRows<A, Block, rows>;
  int first = (blockIdx.x * Work::warps + threadIdx.x / 32) * Work::columns;
  int row_bytes = (k + Block::elements - 1) / Block::elements * Block::bytes, chunks = (k + 1023) / 1024;
  Work work{a, static_cast<const u8 *>(b), m, n, k, flags, row_bytes, first};
  float sum[Work::count] = {};
#pragma unroll 1
  for (int stage = 0; stage < Work::stages - 1; stage++) {
    if (stage < chunks) work.fetch(shared + stage * Work::slot_bytes, stage);
    copy_async_commit();
  }
#pragma unroll 1
  for (int chunk = 0; chunk < chunks; chunk++) {
    copy_async_wait<Work::stages - 2>();
    __syncthreads();
    int ahead = chunk + Work::stages - 1;
    if (ahead < chunks) work.fetch(shared + ahead % Work::stages * Work::slot_bytes, ahead);
    copy_async_commit();
    work.add(sum, shared + chunk % Work::stages * Work::slot_bytes);
  }
  float total = warp_sums(sum);
  int lane = threadIdx.x % 32, index = lane / (32 / Work::count), row = index / Work::columns, column = first + index % Work::columns;
  if (lane % (32 / Work::count) == 0 && row < m && column < n) write_element(out, (i64)row * n + column, total, beta, flags);
}

#define HOOF_BLOCK_ROWS(A, Block, a_name, rows)                                                                              \
  HOOF_KERNEL __launch_bounds__(128) hoof_matvec_##a_name##_##Block##_##rows(                                                \
      const A *a, const void *b, void *out, i32 m, i32 n, i32 k, float beta, i32 flags) {                                    \
    multiply_block_rows<A, Block, rows>(a, b, out, m, n, k, beta, flags);                                                    \
  }                                                                                                                          \
  HOOF_EXPORT(hoof_matvec_##a_name##_##Block##_##rows)
/// Kernels for up to 1, 2, 4 and 8 rows.
#define HOOF_BLOCK_MATVEC(A, Block, a_name)   \
  HOOF_BLOCK_ROWS(A, Block, a_name, 1)        \
  HOOF_BLOCK_ROWS(A, Block, a_name, 2)        \
  HOOF_BLOCK_ROWS(A, Block, a_name, 4)        \
  HOOF_BLOCK_ROWS(A, Block, a_name, 8)
