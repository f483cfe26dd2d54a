// Matrix products of f32 activations in plain f32 (--precision f32): out = op(a)·op(b) + beta·out, b of any type, decoded to f32.
// A block computes a tile (tile_f32.h), or the share blockIdx.y of its sum over k, see matmul.cu. Sums of 512 products go to out and are
// added up there: one running sum of 4096 would lose twice as many bits, and the traffic is a 64th of the operands'.
#include "product.h"
#include "tile_f32.h"

template <bool a_along_k, bool b_along_k, class T>
HOOF_INLINE void multiply_f32(const float *a, const void *b, float *out, int m, int n, int k, int k_share, float beta, int flags) {
  HOOF_SHARED(float, shared, F32Tile::shared_floats);
  constexpr int depth_of_sum = 512;
  TilePlace place = tile_place(blockIdx.x, (m + F32Tile::m - 1) / F32Tile::m, (n + F32Tile::n - 1) / F32Tile::n);
  DepthRange depth(k, k_share);
  int row = place.row * F32Tile::m, column = place.column * F32Tile::n;
  FourLoader<float, a_along_k, F32Tile::m, F32Tile::k, F32Tile::threads> load_a(
      a, a_along_k ? k : m, row, m, depth.begin, depth.end, flags & product_packed_a);
  FourLoader<T, b_along_k, F32Tile::n, F32Tile::k, F32Tile::threads> load_b(
      b, b_along_k ? k : n, column, n, depth.begin, depth.end, flags & product_packed_b);
  ProductOutput output(out, m, n, beta, flags);
  int begin = depth.begin;
  do {
    int length = depth.end - begin < depth_of_sum ? depth.end - begin : depth_of_sum;
    F32Tile tile;
    tile.clear();
    tile.multiply<a_along_k, b_along_k>(shared, load_a, load_b, (length + F32Tile::k - 1) / F32Tile::k);
    tile.write(shared, output, row, column, begin == depth.begin ? beta : 1.0f);
    begin += depth_of_sum;
  } while (begin < depth.end);
}

#define HOOF_PRODUCT_F32(name, a_along_k, b_along_k, T)                                                                       \
  HOOF_KERNEL __launch_bounds__(F32Tile::threads, blocks_at_once<T>)                                                          \
      name(const float *a, const void *b, float *out, i32 m, i32 n, i32 k, i32 k_share, float beta, i32 flags) {              \
    multiply_f32<a_along_k, b_along_k, T>(a, b, out, m, n, k, k_share, beta, flags);                                          \
  }                                                                                                                           \
  HOOF_EXPORT(name)

HOOF_PRODUCT_F32(hoof_matmul_right_f32_f32, true, true, float)
HOOF_PRODUCT_F32(hoof_matmul_right_f32_f16, true, true, f16)
HOOF_PRODUCT_F32(hoof_matmul_right_f32_bf16, true, true, bf16)
HOOF_PRODUCT_F32(hoof_matmul_right_f32_q8_0, true, true, q8_0)
HOOF_PRODUCT_F32(hoof_matmul_right_f32_q4_K, true, true, q4_K)
HOOF_PRODUCT_F32(hoof_matmul_none_f32_f32, true, false, float)
HOOF_PRODUCT_F32(hoof_matmul_none_f32_f16, true, false, f16)
HOOF_PRODUCT_F32(hoof_matmul_none_f32_bf16, true, false, bf16)
HOOF_PRODUCT_F32(hoof_matmul_none_f32_q8_0, true, false, q8_0)
HOOF_PRODUCT_F32(hoof_matmul_none_f32_q4_K, true, false, q4_K)
HOOF_PRODUCT_F32(hoof_matmul_left_f32_f32, false, false, float)
