#ifndef HOOF_GEMM_H
#define HOOF_GEMM_H

#include "hoof_convert.h"

// Building blocks of out = op(a)·op(b) + beta·out. The caller cuts the product and owns the threads:
//   for each K-block of hoof_gemm_depth: pack a's rows, pack b's columns (converting to float), multiply the packed pieces.
// An element of out is the sum over K-blocks, in order, of one chain of multiply-adds over k: its value depends neither on how rows and
// columns are cut nor on how many there are.

enum {
  /// K-elements of one packed block; a multiple of 32, so that it starts on a quantised sub-block. With 256 out is read and written so
  /// often that N = 4096 costs a tenth.
  hoof_gemm_depth = 512,
  /// Columns are packed in groups of this many.
  hoof_gemm_group = 64,
  /// Floats from one packed row of a to the next: the odd number of cache lines keeps a tile's rows out of each other's cache sets.
  hoof_gemm_row = hoof_gemm_depth + 16,
};

/// Rows of out one register tile covers.
size_t hoof_gemm_tile_rows(enum hoof_simd simd);

/// packed[m·hoof_gemm_row + k] = op(a)[row + m, k0 + k], m < rows, k < depth. `stride` is a's row length in floats; `transposed` means
/// that op(a) is aᵀ.
void hoof_gemm_pack_a(
    enum hoof_simd simd, const float *a, size_t stride, int transposed, size_t row, size_t rows, size_t k0, size_t depth, float *packed);

/// Columns column ..< column + columns of op(b), rows k0 ..< k0 + depth, as slivers the kernel reads: columns rounded up to whole groups,
/// times depth, floats (64-byte aligned); missing columns are zero. `column` is a multiple of hoof_gemm_group, k0 of 32. `transposed`
/// means that op(b) is bᵀ, that is, b's rows run along K.
void hoof_gemm_pack_b(
    enum hoof_simd simd, enum hoof_type type, const void *b, size_t row_bytes, int transposed, size_t column, size_t columns, size_t k0,
    size_t depth, float *packed);

/// out[m, n] = Σ_k a[m·a_stride + k]·b + beta·out[m, n]; b is packed, a is packed (a_stride = hoof_gemm_row) or lies as it is. With beta 0
/// out is not read.
void hoof_gemm_multiply(
    enum hoof_simd simd, const float *a, size_t a_stride, const float *b, size_t rows, size_t columns, size_t depth, float beta, float *out,
    size_t stride);

#endif
