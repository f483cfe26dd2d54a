// Products of up to eight rows with dense weights: out [m, n] = a [m, k]·b [n, k]ᵀ + beta·out, a matter of reading b once. A block
// computes four columns of out; its 1, 2 or 4 warps read the four rows of b in pieces of 16 bytes a thread, which gives a thread four
// independent loads at a time and lets it use what it reads of a (from the first-level cache) four times. Products and sums are f32; a
// thread's sums are added up over the warp and then over the warps in their order.
#pragma once
#include "matvec.h"
#include "vector.h"

template <class A, class T, int rows>
HOOF_INLINE void multiply_dense_rows(const A *a, const T *b, void *out, int m, int n, int k, float beta, int flags) {
  constexpr int columns = 4, count = rows * columns;
  HOOF_SHARED(float, of_warps, 4 * count);
  int first = blockIdx.x * columns;
  const T *weights[columns];
#pragma unroll
  for (int j = 0; j < columns; j++) weights[j] = b + (i64)(first + j < n ? first + j : n - 1) * k;
  float sum[count] = {};

  constexpr int width = packet_width<T>;
  if ((flags & product_packed_a) && (flags & product_packed_b)) {
#pragma unroll 2
    for (int at = threadIdx.x * width; at < k; at += blockDim.x * width) {
      float w[columns][width];
#pragma unroll
      for (int j = 0; j < columns; j++) load_packet<width>(w[j], weights[j] + at);
#pragma unroll
      for (int i = 0; i < rows; i++) {
        float x[width];
        load_packet<width>(x, a + (i64)(i < m ? i : m - 1) * k + at);
#pragma unroll
        for (int j = 0; j < columns; j++)
#pragma unroll
          for (int e = 0; e < width; e++) sum[i * columns + j] = fmaf(x[e], w[j][e], sum[i * columns + j]);
      }
    }
  } else {
#pragma unroll 1
    for (int at = threadIdx.x; at < k; at += blockDim.x) {
      float w[columns];
#pragma unroll
      for (int j = 0; j < columns; j++) w[j] = to_float(weights[j][at]);
#pragma unroll
      for (int i = 0; i < rows; i++) {
        float x = to_float(a[(i64)(i < m ? i : m - 1) * k + at]);
#pragma unroll
        for (int j = 0; j < columns; j++) sum[i * columns + j] = fmaf(x, w[j], sum[i * columns + j]);
      }
    }
  }

  float total = warp_sums(sum);
  int lane = threadIdx.x % 32, index = lane / (32 / count), warps = blockDim.x / 32;
  if (lane % (32 / count) == 0) of_warps[threadIdx.x / 32 * count + index] = total;
  __syncthreads();
  if (threadIdx.x >= count) return;
  int row = threadIdx.x / columns, column = first + threadIdx.x % columns;
  if (row >= m || column >= n) return;
  total = of_warps[threadIdx.x];
  for (int warp = 1; warp < warps; warp++) total += of_warps[warp * count + threadIdx.x];
  write_element(out, (i64)row * n + column, total, beta, flags);
}

#define HOOF_DENSE_ROWS(A, T, a_name, b_name, rows)                                                                          \
  HOOF_KERNEL __launch_bounds__(128) hoof_matvec_##a_name##_##b_name##_##rows(                                               \
      const A *a, const T *b, void *out, i32 m, i32 n, i32 k, float beta, i32 flags) {                                       \
    multiply_dense_rows<A, T, rows>(a, b, out, m, n, k, beta, flags);                                                        \
  }                                                                                                                          \
  HOOF_EXPORT(hoof_matvec_##a_name##_##b_name##_##rows)
/// Kernels for up to 1, 2, 4 and 8 rows.
#define HOOF_DENSE_MATVEC(A, T, a_name, b_name)   \
  HOOF_DENSE_ROWS(A, T, a_name, b_name, 1)        \
  HOOF_DENSE_ROWS(A, T, a_name, b_name, 2)        \
  HOOF_DENSE_ROWS(A, T, a_name, b_name, 4)        \
  HOOF_DENSE_ROWS(A, T, a_name, b_name, 8)
