// Matrix products of bf16 activations with dense weights on the tensor cores: out = op(a)·op(b) + beta·out, out f32 or bf16.
// A block computes a tile (tile_bf16.h), or the share blockIdx.y of its sum over k when tiles are too few for the device; shares are f32
// matrices in scratch, added up in their order by hoof_matmul_reduce, so that a result does not depend on who finishes first.
// Sums are f32 throughout; f32 and f16 weights are rounded to bf16 on their way into shared memory (through ordinary loads: such weights
// are not what is meant to be fast here).
#include "product.h"
#include "tile_bf16.h"

template <class Shape, bool a_along_k, bool b_along_k, class T>
HOOF_INLINE void multiply(const bf16 *a, const T *b, void *out, int m, int n, int k, int k_share, float beta, int flags) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  using Product = Bf16Tile<Shape, a_along_k, b_along_k>;
  TilePlace place = tile_place(blockIdx.x, (m + Shape::m - 1) / Shape::m, (n + Shape::n - 1) / Shape::n);
  DepthRange depth(k, k_share);
  int row = place.row * Shape::m, column = place.column * Shape::n;
  DenseLoader<bf16, a_along_k, Shape::m, Shape::k, Shape::threads> load_a(
      a, a_along_k ? k : m, row, m, depth.begin, depth.end, flags & product_packed_a);
  DenseLoader<T, b_along_k, Shape::n, Shape::k, Shape::threads> load_b(
      b, b_along_k ? k : n, column, n, depth.begin, depth.end, flags & product_packed_b);
  Product product;
  product.clear();
  product.multiply(shared, load_a, load_b, (depth.end - depth.begin + Shape::k - 1) / Shape::k);
  write_tile<Shape>(shared, product, ProductOutput(out, m, n, beta, flags), row, column, beta);
}

#define PRODUCT(name, Shape, a_along_k, b_along_k, T)                                                                                        \
  HOOF_KERNEL __launch_bounds__(Shape::threads, 2)                                                                                           \
      name(const bf16 *a, const T *b, void *out, i32 m, i32 n, i32 k, i32 k_share, float beta, i32 flags) {                                  \
    multiply<Shape, a_along_k, b_along_k, T>(a, b, out, m, n, k, k_share, beta, flags);                                                      \
  }                                                                                                                                          \
  HOOF_EXPORT(name)

/// out = Σ shares + beta·out, shares one behind the other, f32, added in their order.
HOOF_KERNEL hoof_matmul_reduce(const float *shares, void *out, i64 count, i32 share_count, float beta, i32 flags) {
  i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float sum = shares[i];
#pragma unroll 4
  for (int share = 1; share < share_count; share++) sum += shares[share * count + i];
  if (flags & product_bf16_out) {
    bf16 *p = (bf16 *)out + i;
    *p = from_float<bf16>(beta != 0.0f ? sum + beta * to_float(*p) : sum);
  } else {
    float *p = (float *)out + i;
    *p = beta != 0.0f ? sum + beta * *p : sum;
  }
}
HOOF_EXPORT(hoof_matmul_reduce)

PRODUCT(hoof_matmul_right_bf16_bf16, LargeTile, true, true, bf16)
PRODUCT(hoof_matmul_none_bf16_bf16, LargeTile, true, false, bf16)
PRODUCT(hoof_matmul_left_bf16_bf16, LargeTile, false, false, bf16)
PRODUCT(hoof_matmul_right_bf16_bf16_small, SmallTile, true, true, bf16)
PRODUCT(hoof_matmul_none_bf16_bf16_small, SmallTile, true, false, bf16)
PRODUCT(hoof_matmul_left_bf16_bf16_small, SmallTile, false, false, bf16)
PRODUCT(hoof_matmul_right_bf16_f32_small, SmallTile, true, true, float)
PRODUCT(hoof_matmul_none_bf16_f32_small, SmallTile, true, false, float)
PRODUCT(hoof_matmul_right_bf16_f16_small, SmallTile, true, true, f16)
PRODUCT(hoof_matmul_none_bf16_f16_small, SmallTile, true, false, f16)
