// Matrix products of f32 activations on the tensor cores in tf32 (--precision tf32): out = op(a)·op(b) + beta·out, b of any type, decoded
// to f32 and rounded to tf32. A block computes a tile (tile_tf32.h), or the share blockIdx.y of its sum over k, see matmul.cu.
#include "product.h"
#include "tile_tf32.h"

template <bool a_along_k, bool b_along_k, class T>
HOOF_INLINE void multiply_tf32(const float *a, const void *b, float *out, int m, int n, int k, int k_share, float beta, int flags) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  TilePlace place = tile_place(blockIdx.x, (m + Tf32Tile::m - 1) / Tf32Tile::m, (n + Tf32Tile::n - 1) / Tf32Tile::n);
  DepthRange depth(k, k_share);
  int row = place.row * Tf32Tile::m, column = place.column * Tf32Tile::n;
  FourLoader<float, a_along_k, Tf32Tile::m, Tf32Tile::k, Tf32Tile::threads> load_a(
      a, a_along_k ? k : m, row, m, depth.begin, depth.end, flags & product_packed_a);
  FourLoader<T, b_along_k, Tf32Tile::n, Tf32Tile::k, Tf32Tile::threads> load_b(
      b, b_along_k ? k : n, column, n, depth.begin, depth.end, flags & product_packed_b);
  Tf32Tile tile;
  tile.clear();
  tile.multiply<a_along_k, b_along_k>(
      reinterpret_cast<float *>(shared), load_a, load_b, (depth.end - depth.begin + Tf32Tile::k - 1) / Tf32Tile::k);
  write_tile<Tf32Tile>(shared, tile, ProductOutput(out, m, n, beta, flags), row, column, beta);
}

#define HOOF_PRODUCT_TF32(name, a_along_k, b_along_k, T)                                                                      \
  HOOF_KERNEL __launch_bounds__(Tf32Tile::threads, blocks_at_once<T>)                                                         \
      name(const float *a, const void *b, float *out, i32 m, i32 n, i32 k, i32 k_share, float beta, i32 flags) {              \
    multiply_tf32<a_along_k, b_along_k, T>(a, b, out, m, n, k, k_share, beta, flags);                                         \
  }                                                                                                                           \
  HOOF_EXPORT(name)

HOOF_PRODUCT_TF32(hoof_matmul_right_tf32_f32, true, true, float)
HOOF_PRODUCT_TF32(hoof_matmul_right_tf32_f16, true, true, f16)
HOOF_PRODUCT_TF32(hoof_matmul_right_tf32_bf16, true, true, bf16)
HOOF_PRODUCT_TF32(hoof_matmul_right_tf32_q8_0, true, true, q8_0)
HOOF_PRODUCT_TF32(hoof_matmul_right_tf32_q4_K, true, true, q4_K)
HOOF_PRODUCT_TF32(hoof_matmul_none_tf32_f32, true, false, float)
HOOF_PRODUCT_TF32(hoof_matmul_none_tf32_f16, true, false, f16)
HOOF_PRODUCT_TF32(hoof_matmul_none_tf32_bf16, true, false, bf16)
HOOF_PRODUCT_TF32(hoof_matmul_none_tf32_q8_0, true, false, q8_0)
HOOF_PRODUCT_TF32(hoof_matmul_none_tf32_q4_K, true, false, q4_K)
HOOF_PRODUCT_TF32(hoof_matmul_left_tf32_f32, false, false, float)
