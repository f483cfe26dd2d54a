// A tile of a matrix product in plain f32 (FFMA), for --precision f32: 128 × 128, 256 threads with 8 × 8 sums each.
//
// Eight steps of k lie in shared memory at a time, both operands as [k][across], twice: while one half is multiplied the next is on its
// way through registers. A warp covers 32 × 64; a thread's rows and columns are two groups of four, so that a warp reads 64 and 128
// consecutive bytes of the operands, 4 loads of 16 bytes for 64 products: half of what shared memory delivers on sm_90 (128 FFMA a
// clock), a quarter on sm_80. The pad of four words keeps transposing stores (rows along k) off each other's banks.
#pragma once
#include "product.h"
#include "tile_fours.h"

struct F32Tile {
  static constexpr int m = 128, n = 128, k = 8, threads = 256, pitch = 132;
  /// Of two slots with both operands.
  static constexpr int shared_floats = 2 * 2 * k * pitch;

  float sum[8][8];

  HOOF_INLINE static int row(int i) { return threadIdx.x / 64 * 32 + threadIdx.x % 32 / 8 * 4 + i / 4 * 16 + i % 4; }
  HOOF_INLINE static int column(int j) { return threadIdx.x / 32 % 2 * 64 + threadIdx.x % 8 * 4 + j / 4 * 32 + j % 4; }

  HOOF_INLINE void clear() {
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
      for (int j = 0; j < 8; j++) sum[i][j] = 0.0f;
  }

  /// Adds `tiles` steps of k. Barriers stand so that calls may follow each other.
  template <bool a_along_k, bool b_along_k, class LoadA, class LoadB>
  HOOF_INLINE void multiply(float *shared, LoadA &a, LoadB &b, int tiles) {
    if (tiles <= 0) return;
    constexpr int slot = 2 * k * pitch;
    a.load(), b.load();
    store<a_along_k>(shared, a), store<b_along_k>(shared + k * pitch, b);
    __syncthreads();
#pragma unroll 1
    for (int tile = 0; tile < tiles; tile++) {
      const float *of_a = shared + tile % 2 * slot + row(0), *of_b = shared + tile % 2 * slot + k * pitch + column(0);
      if (tile + 1 < tiles) a.load(), b.load();
#pragma unroll
      for (int step = 0; step < k; step++) {
        float x[8], y[8];
        four(x, of_a + step * pitch), four(x + 4, of_a + step * pitch + 16);
        four(y, of_b + step * pitch), four(y + 4, of_b + step * pitch + 32);
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
          for (int j = 0; j < 8; j++) sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
      }
      if (tile + 1 < tiles) {
        float *next = shared + (tile + 1) % 2 * slot;
        store<a_along_k>(next, a), store<b_along_k>(next + k * pitch, b);
      }
      __syncthreads();
    }
  }

  /// Writes the tile whose first element is (first_row, first_column) of out, a quarter of its rows after the other through shared memory:
  /// the code for edges stands here once and not once per four sums.
  HOOF_INLINE void write(float *shared, const ProductOutput &out, int first_row, int first_column, float beta) const {
    int warps = threadIdx.x / 64, group = threadIdx.x % 32 / 8, piece = threadIdx.x % 32 * 4;
#pragma unroll
    for (int quarter = 0; quarter < 4; quarter++) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
          const float *x = sum[quarter * 2 + i] + j;
          float4 v;
          v.x = x[0], v.y = x[1], v.z = x[2], v.w = x[3];
          *reinterpret_cast<float4 *>(shared + (warps * 8 + group * 2 + i) * n + column(j)) = v;
        }
      __syncthreads();
#pragma unroll 1
      for (int r = threadIdx.x / 32; r < 32; r += 8) {
        int i = quarter * 2 + r % 2, row = r / 8 * 32 + r / 2 % 4 * 4 + i / 4 * 16 + i % 4;
        out.write_f32(first_row + row, first_column + piece, *reinterpret_cast<const float4 *>(shared + r * n + piece), beta);
      }
    }
    __syncthreads();
  }

private:
  HOOF_INLINE static void four(float *x, const float *p) {
    float4 v = *reinterpret_cast<const float4 *>(p);
    x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
  }
  template <bool along_k, class Load> HOOF_INLINE static void store(float *slot, const Load &load) {
    static_assert(Load::passes == 1, "four values a thread");
    float4 v = load.x[0];
    if (along_k) {
      float *p = slot + load.column() * pitch + load.row();
      p[0] = v.x, p[pitch] = v.y, p[2 * pitch] = v.z, p[3 * pitch] = v.w;
    } else {
      *reinterpret_cast<float4 *>(slot + load.row() * pitch + load.column()) = v;
    }
  }
};
