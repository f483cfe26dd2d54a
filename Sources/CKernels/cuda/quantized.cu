// Matrix products of bf16 activations with Q8_0 and Q4_K weights on the tensor cores. Tiles are those of matmul.cu; the weights' bytes are
// decoded to bf16 on their way into shared memory (tile_blocks.h), 32 values a thread and slot: about 4 instructions a value, beside which the
// tensor cores stay the bottleneck from 128 rows on, and memory below.
#include "product.h"
#include "tile_blocks.h"

template <class Shape, bool b_along_k, class Block>
HOOF_INLINE void multiply_blocks(const bf16 *a, const void *b, void *out, int m, int n, int k, int k_share, float beta, int flags) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  using Product = Bf16Tile<Shape, true, b_along_k>;
  TilePlace place = tile_place(blockIdx.x, (m + Shape::m - 1) / Shape::m, (n + Shape::n - 1) / Shape::n);
  DepthRange depth(k, k_share);
  int row = place.row * Shape::m, column = place.column * Shape::n;
  DenseLoader<bf16, true, Shape::m, Shape::k, Shape::threads> load_a(a, k, row, m, depth.begin, depth.end, flags & product_packed_a);
  BlockLoader<Block, b_along_k, Shape::n, Shape::k, Shape::threads> load_b(
      b, b_along_k ? k : n, column, n, depth.begin, depth.end, flags & product_packed_b);
  Product product;
  product.clear();
  product.multiply(shared, load_a, load_b, (depth.end - depth.begin + Shape::k - 1) / Shape::k);
  write_tile<Shape>(shared, product, ProductOutput(out, m, n, beta, flags), row, column, beta);
}

#define PRODUCT(name, Shape, b_along_k, Block)                                                                                               \
  HOOF_KERNEL __launch_bounds__(Shape::threads, 2)                                                                                           \
      name(const bf16 *a, const void *b, void *out, i32 m, i32 n, i32 k, i32 k_share, float beta, i32 flags) {                               \
    multiply_blocks<Shape, b_along_k, Block>(a, b, out, m, n, k, k_share, beta, flags);                                                             \
  }                                                                                                                                          \
  HOOF_EXPORT(name)

PRODUCT(hoof_matmul_right_bf16_q8_0, LargeDecodedTile, true, q8_0)
PRODUCT(hoof_matmul_none_bf16_q8_0, LargeDecodedTile, false, q8_0)
PRODUCT(hoof_matmul_right_bf16_q4_K, LargeDecodedTile, true, q4_K)
PRODUCT(hoof_matmul_none_bf16_q4_K, LargeDecodedTile, false, q4_K)
PRODUCT(hoof_matmul_right_bf16_q8_0_small, SmallTile, true, q8_0)
PRODUCT(hoof_matmul_none_bf16_q8_0_small, SmallTile, false, q8_0)
PRODUCT(hoof_matmul_right_bf16_q4_K_small, SmallTile, true, q4_K)
PRODUCT(hoof_matmul_none_bf16_q4_K_small, SmallTile, false, q4_K)
