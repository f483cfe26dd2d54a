// Dense bf16 products on Hopper: out [M, N] = a [M, K] · b [N, K]ᵀ + beta·out, sums in f32, out f32 or bf16.
//
// Mapping: persistent blocks of 384 threads (two consumer warpgroups and a producer, see pipeline_sm90a.h), block i takes tiles i, i +
// grid, ... in an order that keeps operands in the second cache. Registers move from the producer to the consumers: 232·256 + 40·128 ≤
// 65536. Traffic per tile and step of 64: (rows + columns)·128 bytes from the second cache for rows·columns/32 cycles of tensor cores; the
// launcher chooses among tiles by that ratio and by how full the last wave is. Epilogue: from registers straight to global memory; lanes of
// a quad exchange columns first, so that each stores 16 bytes. Rows of out that are not 16-byte aligned, and bf16 with beta, go by single
// elements. With beta the old tile is read in a dozen steps one after the other, each of which would wait for memory; so the producer warp
// fetches it into the second cache while the tile's last buffers are multiplied.
#include "pipeline_sm90a.h"

/// d[4·j ...] are columns 8·j ... of two rows, eight apart (half 0 and 1); `row` and `column` are those of d[0] in the first lane of the
/// quad.
template <int count>
HOOF_INLINE void store_elements(const float (&d)[count], float *out, i32 M, i32 N, int row, int column, float beta, bool vectors) {
  const int t = threadIdx.x & 3, odd = t & 1;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bool inside = row + 8 * half < M;
    float *line = out + (u64)(row + 8 * half) * N;
    if (vectors) {
      // Of two blocks of eight columns an even lane takes four columns of the first, its odd neighbour four of the second.
      const int first = column + 2 * t + 6 * odd;
#pragma unroll
      for (int j = 0; j < count / 4; j += 8) {
        float4 sum[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const float *here = d + 4 * (j + 2 * i) + 2 * half, *next = here + 4;
          float x = __shfl_xor_sync(0xffffffffu, odd ? here[0] : next[0], 1), y = __shfl_xor_sync(0xffffffffu, odd ? here[1] : next[1], 1);
          sum[i] = odd ? float4{x, y, next[0], next[1]} : float4{here[0], here[1], x, y};
        }
        if (beta != 0) {
          float4 old[4];
#pragma unroll
          for (int i = 0; i < 4; i++) {
            int at = first + 8 * (j + 2 * i);
            old[i] = inside && at < N ? *reinterpret_cast<const float4 *>(line + at) : float4{0, 0, 0, 0};
          }
#pragma unroll
          for (int i = 0; i < 4; i++) {
            sum[i] = float4{
                fmaf(beta, old[i].x, sum[i].x), fmaf(beta, old[i].y, sum[i].y), fmaf(beta, old[i].z, sum[i].z),
                fmaf(beta, old[i].w, sum[i].w)};
          }
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
          int at = first + 8 * (j + 2 * i);
          if (inside && at < N) *reinterpret_cast<float4 *>(line + at) = sum[i];
        }
      }
    } else if (inside) {
#pragma unroll
      for (int i = 0; i < count / 2; i++) {
        int at = column + 8 * (i / 2) + 2 * t + i % 2;
        float sum = d[4 * (i / 2) + 2 * half + i % 2];
        if (at < N) line[at] = beta != 0 ? fmaf(beta, line[at], sum) : sum;
      }
    }
  }
}

template <int count>
HOOF_INLINE void store_elements(const float (&d)[count], bf16 *out, i32 M, i32 N, int row, int column, float beta, bool vectors) {
  const int t = threadIdx.x & 3;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bool inside = row + 8 * half < M;
    bf16 *line = out + (u64)(row + 8 * half) * N;
    if (vectors && beta == 0) {
      // A 4×4 transposition within the quad: of four blocks of eight columns lane t takes block t.
#pragma unroll
      for (int j = 0; j < count / 4; j += 4) {
        u32 w[4];
#pragma unroll
        for (int i = 0; i < 4; i++) w[i] = pack_bf16(d[4 * (j + i) + 2 * half], d[4 * (j + i) + 2 * half + 1]);
        const bool odd = t & 1, high = t & 2;
        u32 x = __shfl_xor_sync(0xffffffffu, odd ? w[0] : w[1], 1), y = __shfl_xor_sync(0xffffffffu, odd ? w[2] : w[3], 1);
        w[0] = odd ? x : w[0];
        w[1] = odd ? w[1] : x;
        w[2] = odd ? y : w[2];
        w[3] = odd ? w[3] : y;
        x = __shfl_xor_sync(0xffffffffu, high ? w[0] : w[2], 2);
        y = __shfl_xor_sync(0xffffffffu, high ? w[1] : w[3], 2);
        int at = column + 8 * (j + t);
        if (inside && at < N) {
          *reinterpret_cast<uint4 *>(line + at) = high ? uint4{x, y, w[2], w[3]} : uint4{w[0], w[1], x, y};
        }
      }
    } else if (inside) {
#pragma unroll
      for (int i = 0; i < count / 2; i++) {
        int at = column + 8 * (i / 2) + 2 * t + i % 2;
        float sum = d[4 * (i / 2) + 2 * half + i % 2];
        if (at < N) line[at] = from_float<bf16>(beta != 0 ? fmaf(beta, to_float(line[at]), sum) : sum);
      }
    }
  }
}

/// By one warp: what the epilogue will add to comes into the second cache.
template <class P, class T> HOOF_INLINE void prefetch_tile(const T *out, i32 M, i32 N, int first_row, int first_column) {
  constexpr int width = 128 / (int)sizeof(T), lines = P::columns / width;
#pragma unroll 1
  for (int i = threadIdx.x % 32; i < P::rows * lines; i += 32) {
    int row = first_row + i / lines, column = first_column + i % lines * width;
    if (row < M && column < N) prefetch_l2(out + (u64)row * N + column);
  }
}

template <class P, class T>
HOOF_INLINE void matmul_tiles(const TensorMap *a, const TensorMap *b, T *out, i32 M, i32 N, i32 K, float beta) {
  HOOF_DYNAMIC_SHARED(u8, shared);
  const P pipeline{shared};
  pipeline.start();
  const TileOrder order{(M + P::rows - 1) / P::rows, (N + P::columns - 1) / P::columns, 2048 / P::rows};
  const int tiles = order.row_tiles * order.column_tiles, steps = (K + P::depth - 1) / P::depth;
  PipelinePosition<P::stages> position;
  if (threadIdx.x / 128 == P::producer) {
    registers_decrease<40>();
    if (threadIdx.x % 128 < 32) {
      for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
        int row, column;
        order.at(tile, row, column);
        if (threadIdx.x % 32 == 0) pipeline.load(a, b, row * P::rows, column * P::columns, steps, position);
        // Paced by the loads: the products of this tile's last buffers are still to come.
        __syncwarp();
        if (beta != 0) prefetch_tile<P>(out, M, N, row * P::rows, column * P::columns);
      }
    }
  } else {
    registers_increase<232>();
    const bool vectors = (u64)out % 16 == 0 && (u64)N * sizeof(T) % 16 == 0;
    const int lane_row = (int)(threadIdx.x / 128) * (P::rows / 2) + (int)(threadIdx.x % 128 / 32) * 16 + (int)(threadIdx.x % 32 / 4);
    for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
      int row, column;
      order.at(tile, row, column);
      float d[P::products][P::columns / 2];
      pipeline.multiply(d, steps, position);
#pragma unroll
      for (int product = 0; product < P::products; product++) {
        store_elements(d[product], out, M, N, row * P::rows + lane_row + product * 64, column * P::columns, beta, vectors);
      }
    }
  }
}

// The launcher knows these by name: tile rows, columns, and the stages behind the shared memory it asks for.
#define HOOF_MATMUL(name, rows, columns, stages, T)                                                                               \
  HOOF_KERNEL __launch_bounds__(384, 1) name(                                                                                     \
      const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, T *out, i32 M, i32 N, i32 K, float beta) {        \
    matmul_tiles<Pipeline<rows, columns, stages>>(&a, &b, out, M, N, K, beta);                                                    \
  }                                                                                                                               \
  HOOF_EXPORT(name)

HOOF_MATMUL(hoof_matmul_256x192_f32, 256, 192, 4, float)
HOOF_MATMUL(hoof_matmul_256x192_bf16, 256, 192, 4, bf16)
HOOF_MATMUL(hoof_matmul_128x256_f32, 128, 256, 4, float)
HOOF_MATMUL(hoof_matmul_128x256_bf16, 128, 256, 4, bf16)
HOOF_MATMUL(hoof_matmul_128x128_f32, 128, 128, 6, float)
HOOF_MATMUL(hoof_matmul_128x128_bf16, 128, 128, 6, bf16)
HOOF_MATMUL(hoof_matmul_128x64_f32, 128, 64, 8, float)
HOOF_MATMUL(hoof_matmul_128x64_bf16, 128, 64, 8, bf16)
