// Matrix products of bf16 activations on the tensor cores: out = op(a)·op(b) + beta·out, out f32 or bf16.
//
// A block computes a tile (tile_bf16.h), or the share blockIdx.y of its sum over k when tiles are too few for the device; shares are f32
// matrices in scratch, added up in their order by hoof_matmul_reduce, so that a result does not depend on who finishes first. Sums are f32
// throughout. The kernels are spread over files by what uses them: a driver compiles a whole file at its first use.
#pragma once
#include "product.h"
#include "tile_blocks.h"
#include "tile_bf16.h"

/// How weights of type T come into shared memory.
template <class T, class Shape, bool along_k> struct WeightLoader {
  using Type = DenseLoader<T, along_k, Shape::n, Shape::k, Shape::threads>;
};
template <class Shape, bool along_k> struct WeightLoader<q8_0, Shape, along_k> {
  using Type = BlockLoader<q8_0, along_k, Shape::n, Shape::k, Shape::threads>;
};
template <class Shape, bool along_k> struct WeightLoader<q4_K, Shape, along_k> {
  using Type = BlockLoader<q4_K, along_k, Shape::n, Shape::k, Shape::threads>;
};

template <class T, class Shape, bool a_along_k, bool b_along_k>
HOOF_INLINE void multiply_bf16(const bf16 *a, const void *b, void *out, int m, int n, int k, int k_share, float beta, int flags) {
  HOOF_DYNAMIC_SHARED(unsigned char, shared);
  TilePlace place = tile_place(blockIdx.x, (m + Shape::m - 1) / Shape::m, (n + Shape::n - 1) / Shape::n);
  DepthRange depth(k, k_share);
  int row = place.row * Shape::m, column = place.column * Shape::n;
  DenseLoader<bf16, a_along_k, Shape::m, Shape::k, Shape::threads> load_a(
      a, a_along_k ? k : m, row, m, depth.begin, depth.end, flags & product_packed_a);
  typename WeightLoader<T, Shape, b_along_k>::Type load_b(
      b, b_along_k ? k : n, column, n, depth.begin, depth.end, flags & product_packed_b);
  Bf16Tile<Shape, a_along_k, b_along_k> tile;
  tile.clear();
  tile.multiply(shared, load_a, load_b, (depth.end - depth.begin + Shape::k - 1) / Shape::k);
  write_tile<Shape>(shared, tile, ProductOutput(out, m, n, beta, flags), row, column, beta);
}

#define HOOF_PRODUCT(name, T, Shape, a_along_k, b_along_k)                                                                   \
  HOOF_KERNEL __launch_bounds__(Shape::threads, 2)                                                                           \
      name(const bf16 *a, const void *b, void *out, i32 m, i32 n, i32 k, i32 k_share, float beta, i32 flags) {               \
    multiply_bf16<T, Shape, a_along_k, b_along_k>(a, b, out, m, n, k, k_share, beta, flags);                                 \
  }                                                                                                                          \
  HOOF_EXPORT(name)
