// How a matrix product is cut into blocks, and how a block writes its tile: out = sums + beta·out.
#pragma once
#include "device.h"

/// Bits of the `flags` parameter of the product kernels.
enum { product_packed_a = 1, product_packed_b = 2, product_bf16_out = 4 };

/// Which tile a block computes. Blocks that run at the same time lie in `band` rows of tiles side by side, so that what they read of both
/// operands is shared in the second-level cache.
struct TilePlace {
  int row, column;
};
HOOF_INLINE TilePlace tile_place(int block, int tile_rows, int tile_columns) {
  constexpr int band = 8;
  int blocks_of_band = band * tile_columns, first = block / blocks_of_band * band, within = block % blocks_of_band;
  int rows = tile_rows - first < band ? tile_rows - first : band;
  return {first + within % rows, within / rows};
}

/// The share of K of a block: blockIdx.y counts shares of `k_share`.
struct DepthRange {
  int begin, end;
  HOOF_INLINE DepthRange(int k, int k_share) {
    i64 first = (i64)blockIdx.y * k_share, last = first + k_share;
    begin = (int)(first < k ? first : k), end = (int)(last < k ? last : k);
  }
};

/// Where a block writes: rows of `columns` elements, f32 or bf16. Shares of K write their own matrices one behind the other.
struct ProductOutput {
  void *data;
  int rows, columns;
  float beta;
  bool is_bf16, packed;

  HOOF_INLINE ProductOutput(void *out, int m, int n, float beta, int flags)
      : rows(m), columns(n), beta(beta), is_bf16(flags & product_bf16_out) {
    i64 offset = (i64)blockIdx.y * m * n;
    data = is_bf16 ? (void *)((bf16 *)out + offset) : (void *)((float *)out + offset);
    packed = n % 4 == 0 && ((u64)data & (is_bf16 ? 7 : 15)) == 0;
  }

  /// Four neighbours from (row, column) on; column is a multiple of 4. Later parts of one sum are added with `beta` 1.
  HOOF_INLINE void write(int row, int column, float4 x, float beta) const {
    if (is_bf16)
      write_bf16(row, column, x, beta);
    else
      write_f32(row, column, x, beta);
  }

  HOOF_INLINE void write_f32(int row, int column, float4 x, float beta) const {
    if (row >= rows || column >= columns) return;
    float *p = (float *)data + ((i64)row * columns + column);
    if (packed) {
      if (beta != 0.0f) {
        float4 old = *(const float4 *)p;
        x.x += beta * old.x, x.y += beta * old.y, x.z += beta * old.z, x.w += beta * old.w;
      }
      *(float4 *)p = x;
    } else {
#pragma unroll 1
      for (int i = 0; i < 4 && column + i < columns; i++, x = rotated(x)) p[i] = beta != 0.0f ? x.x + beta * p[i] : x.x;
    }
  }

  HOOF_INLINE void write_bf16(int row, int column, float4 x, float beta) const {
    if (row >= rows || column >= columns) return;
    bf16 *p = (bf16 *)data + ((i64)row * columns + column);
    if (packed) {
      if (beta != 0.0f) {
        uint2 old = *(const uint2 *)p;
        x.x += beta * __uint_as_float(old.x << 16), x.y += beta * __uint_as_float(old.x & 0xffff0000u);
        x.z += beta * __uint_as_float(old.y << 16), x.w += beta * __uint_as_float(old.y & 0xffff0000u);
      }
      uint2 words;
      words.x = pack_bf16(x.x, x.y), words.y = pack_bf16(x.z, x.w);
      *(uint2 *)p = words;
    } else {
#pragma unroll 1
      for (int i = 0; i < 4 && column + i < columns; i++, x = rotated(x))
        p[i] = from_float<bf16>(beta != 0.0f ? x.x + beta * to_float(p[i]) : x.x);
    }
  }

private:
  HOOF_INLINE static float4 rotated(float4 x) {
    float4 y;
    y.x = x.y, y.y = x.z, y.z = x.w, y.w = x.x;
    return y;
  }
};

/// Writes the sums of a tensor-core tile whose first element is (row, column) of out, through shared memory (m·n floats): out is written
/// in whole rows of the tile, and the code for types and edges stands here once and not once per fragment. 16-byte pieces are exchanged
/// by a XOR with the row so that neither the fragments' pairs nor the rows meet a bank twice.
template <class Shape, class Tile>
HOOF_INLINE void write_tile(unsigned char *shared, const Tile &tile, const ProductOutput &out, int row, int column, float beta) {
  constexpr int pieces = Shape::n / 4, rows_at_once = Shape::threads / pieces;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < Tile::m_fragments; i++)
#pragma unroll
    for (int j = 0; j < Tile::n_fragments; j++)
#pragma unroll
      for (int e = 0; e < 4; e += 2) {
        int r = Tile::row(i, e), c = Tile::column(j, e);
        float2 pair;
        pair.x = tile.sum[i][j][e], pair.y = tile.sum[i][j][e + 1];
        *(float2 *)(shared + (r * pieces + (c / 4 ^ (r & 7) << 1)) * 16 + c % 4 * 4) = pair;
      }
  __syncthreads();
  int piece = threadIdx.x % pieces;
#pragma unroll 2
  for (int r = threadIdx.x / pieces; r < Shape::m; r += rows_at_once)
    out.write(row + r, column + piece * 4, *(const float4 *)(shared + (r * pieces + (piece ^ (r & 7) << 1)) * 16), beta);
}
