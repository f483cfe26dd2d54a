// Tiles of bf16 in shared memory for tensor-core attention: [rows, dims] with 8 elements of padding behind each row, so that eight rows of
// one 16-byte column lie in different banks (ldmatrix without conflicts). Four warps share a tile; a warp owns 16 rows of the result.
#pragma once
#include "attention_spans.h"

namespace attention {
static constexpr int tensor_threads = 128;

template <int dims> static constexpr int tile_stride = dims + 8;

/// Copies rows first ..< end of `source` (at most `rows`) into the tile in the background; what lies outside, rows and dims, becomes zero,
/// so that what the memory holds there (NaN in unused keys) never meets a zero probability.
template <int dims, int rows, class Rows>
HOOF_INLINE void load_tile(bf16 *tile, const Rows &source, int first, int end, int head_dim, bool vector) {
  constexpr int chunks = dims / 8;
  if (vector) {
#pragma unroll 4
    for (int pass = 0; pass < rows * chunks / tensor_threads; pass++) {
      int index = pass * tensor_threads + (int)threadIdx.x;
      int row = index / chunks, column = index % chunks * 8;
      bool wanted = first + row < end && column < head_dim;
      copy_async_16(tile + row * tile_stride<dims> + column, wanted ? source.row(first + row) + column : source.first, wanted);
    }
    return;
  }
#pragma unroll 1
  for (int index = threadIdx.x; index < rows * dims / 2; index += tensor_threads) {
    int row = index / (dims / 2), column = index % (dims / 2) * 2;
    const bf16 *from = first + row < end ? source.row(first + row) + column : nullptr;
    u32 low = from && column < head_dim ? from[0].bits : 0, high = from && column + 1 < head_dim ? from[1].bits : 0;
    *reinterpret_cast<u32 *>(tile + row * tile_stride<dims> + column) = low | high << 16;
  }
}

/// A operand: 16 rows from `row` on, 16 dims from `dim` on.
template <int dims> HOOF_INLINE void load_a(u32 (&a)[4], const bf16 *tile, int row, int dim) {
  int lane = threadIdx.x % 32;
  load_matrix_x4(a, tile + (row + lane % 16) * tile_stride<dims> + dim + lane / 16 * 8);
}
/// B operands of tile·: the tile's 16 rows from `row` on are columns of the product; b[0], b[1] for the first eight, b[2], b[3] for the
/// rest; summed over 16 dims from `dim` on.
template <int dims> HOOF_INLINE void load_b_rows(u32 (&b)[4], const bf16 *tile, int row, int dim) {
  int lane = threadIdx.x % 32;
  load_matrix_x4(b, tile + (row + lane / 16 * 8 + lane % 8) * tile_stride<dims> + dim + lane / 8 % 2 * 8);
}
/// B operands summed over the tile's 16 rows from `row` on; columns of the product are 16 dims from `dim` on.
template <int dims> HOOF_INLINE void load_b_dims(u32 (&b)[4], const bf16 *tile, int row, int dim) {
  int lane = threadIdx.x % 32;
  load_matrix_x4_transposed(b, tile + (row + lane % 16) * tile_stride<dims> + dim + lane / 16 * 8);
}
/// Columns 16·i ... 16·i+15 of a result as A operand of the next product.
template <int tiles> HOOF_INLINE void result_as_a(u32 (&a)[4], const float (&x)[tiles][4], int i) {
  a[0] = pack_bf16(x[2 * i][0], x[2 * i][1]);
  a[1] = pack_bf16(x[2 * i][2], x[2 * i][3]);
  a[2] = pack_bf16(x[2 * i + 1][0], x[2 * i + 1][1]);
  a[3] = pack_bf16(x[2 * i + 1][2], x[2 * i + 1][3]);
}

/// Writes the warp's 16 rows (times upper for rows 0 ... 7, lower for 8 ... 15) as bf16 to rows first ..< end of `target`, through its own
/// rows of `tile`, so that stores are 16 bytes wide and in order.
template <int dims, class Rows>
HOOF_INLINE void store_rows(
    const float (&x)[dims / 8][4], float upper, float lower, bf16 *tile, const Rows &target, int first, int end, int head_dim,
    bool vector) {
  constexpr int chunks = dims / 8;
  int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  __syncwarp();
#pragma unroll
  for (int n = 0; n < dims / 8; n++) {
    *reinterpret_cast<u32 *>(tile + g * tile_stride<dims> + n * 8 + 2 * t) = pack_bf16(x[n][0] * upper, x[n][1] * upper);
    *reinterpret_cast<u32 *>(tile + (g + 8) * tile_stride<dims> + n * 8 + 2 * t) = pack_bf16(x[n][2] * lower, x[n][3] * lower);
  }
  __syncwarp();
#pragma unroll 4
  for (int index = lane; index < 16 * chunks; index += 32) {
    int row = index / chunks, column = index % chunks * 8;
    if (first + row >= end || column >= head_dim) continue;
    const bf16 *from = tile + row * tile_stride<dims> + column;
    bf16 *to = target.row(first + row) + column;
    if (vector) {
      *reinterpret_cast<uint4 *>(to) = *reinterpret_cast<const uint4 *>(from);
    } else {
      for (int i = 0; i < 8 && column + i < head_dim; i++) to[i] = from[i];
    }
  }
}
}  // namespace attention
