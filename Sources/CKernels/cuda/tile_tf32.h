// A tile of a matrix product on the tensor cores in tf32, for --precision tf32: f32 operands rounded to 10 bits of mantissa on their way
// into shared memory, f32 sums. 128 × 128, 8 warps of 64 × 32.
//
// Sixteen steps of k lie in shared memory at a time, each operand as it lies in memory, twice: while one half is multiplied the next is on
// its way through registers. Rows along k have a pad of 4 words, rows across k one of 8: then the 32 words of a fragment (8 rows × 4 of k)
// lie in 32 banks. A warp reads 24 words a lane for 16 products of 8 clocks: three quarters of what shared memory delivers.
#pragma once
#include "product.h"
#include "tile_fours.h"

struct Tf32Tile {
  static constexpr int m = 128, n = 128, k = 16, threads = 256;
  static constexpr int m_fragments = 4, n_fragments = 4;
  template <bool along_k> static constexpr int pitch = along_k ? k + 4 : 128 + 8;
  template <bool along_k> static constexpr int operand_floats = along_k ? 128 * pitch<true> : k * pitch<false>;
  /// Of the sums on their way out (product.h); two slots of operands need less.
  static constexpr int shared_bytes = m * n * 4;

  /// sum[i][j][e] belongs to row(i, e), column(j, e).
  float sum[m_fragments][n_fragments][4];

  HOOF_INLINE static int warp_row() { return threadIdx.x / 128 * 64; }
  HOOF_INLINE static int warp_column() { return threadIdx.x / 32 % 4 * 32; }
  HOOF_INLINE static int row(int i, int e) { return warp_row() + i * 16 + (e >> 1) * 8 + threadIdx.x % 32 / 4; }
  HOOF_INLINE static int column(int j, int e) { return warp_column() + j * 8 + threadIdx.x % 4 * 2 + (e & 1); }

  HOOF_INLINE void clear() {
#pragma unroll
    for (int i = 0; i < m_fragments; i++)
#pragma unroll
      for (int j = 0; j < n_fragments; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sum[i][j][e] = 0.0f;
  }

  /// Adds `tiles` steps of k. Barriers stand so that calls may follow each other, and other uses of `shared`.
  template <bool a_along_k, bool b_along_k, class LoadA, class LoadB>
  HOOF_INLINE void multiply(float *shared, LoadA &a, LoadB &b, int tiles) {
    if (tiles <= 0) return;
    constexpr int of_b = operand_floats<a_along_k>, slot = of_b + operand_floats<b_along_k>;
    static_assert(2 * slot * 4 <= shared_bytes, "two slots");
    __syncthreads();
    a.load(), b.load();
    store<a_along_k>(shared, a), store<b_along_k>(shared + of_b, b);
    __syncthreads();
    int group = threadIdx.x % 32 / 4, lane = threadIdx.x % 4;
#pragma unroll 1
    for (int tile = 0; tile < tiles; tile++) {
      const float *x = shared + tile % 2 * slot, *y = x + of_b;
      if (tile + 1 < tiles) a.load(), b.load();
#pragma unroll
      for (int step = 0; step < k; step += 8) {
        u32 fragment[m_fragments][4];
#pragma unroll
        for (int i = 0; i < m_fragments; i++) {
          int first = warp_row() + i * 16 + group;
          fragment[i][0] = at<a_along_k>(x, first, step + lane), fragment[i][1] = at<a_along_k>(x, first + 8, step + lane);
          fragment[i][2] = at<a_along_k>(x, first, step + lane + 4), fragment[i][3] = at<a_along_k>(x, first + 8, step + lane + 4);
        }
#pragma unroll
        for (int j = 0; j < n_fragments; j++) {
          int first = warp_column() + j * 8 + group;
          u32 b0 = at<b_along_k>(y, first, step + lane), b1 = at<b_along_k>(y, first, step + lane + 4);
#pragma unroll
          for (int i = 0; i < m_fragments; i++) mma_tf32_16x8x8(sum[i][j], fragment[i], b0, b1);
        }
      }
      if (tile + 1 < tiles) {
        float *next = shared + (tile + 1) % 2 * slot;
        store<a_along_k>(next, a), store<b_along_k>(next + of_b, b);
      }
      __syncthreads();
    }
  }

private:
  template <bool along_k> HOOF_INLINE static u32 at(const float *operand, int across, int step) {
    return __float_as_uint(operand[along_k ? across * pitch<true> + step : step * pitch<false> + across]);
  }
  template <bool along_k, class Load> HOOF_INLINE static void store(float *operand, const Load &load) {
#pragma unroll
    for (int i = 0; i < Load::passes; i++) {
      uint4 words;
      words.x = round_to_tf32(load.x[i].x), words.y = round_to_tf32(load.x[i].y);
      words.z = round_to_tf32(load.x[i].z), words.w = round_to_tf32(load.x[i].w);
      *reinterpret_cast<uint4 *>(operand + (load.row() + i * Load::rows_at_once) * pitch<along_k> + load.column()) = words;
    }
  }
};
