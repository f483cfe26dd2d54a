#ifndef HOOF_FIXED_H
#define HOOF_FIXED_H

#include "hoof_convert.h"

// Building blocks of out = a·bᵀ + beta·out for quantised b (q8_0, q4_K), with a rounded to 16-bit fixed point and the sums taken in whole
// numbers. The caller cuts the product and owns the threads: pack a's rows, and for each group of columns and each block of K pack b, multiply.
//
// What is rounded is a alone, 512 values at a time, to the nearest of 65,535 steps between ± the largest of them: an error of at most 2^-16 of
// that largest. The weights' levels, and in q4_K their products with the steps of sub-blocks, are the whole numbers they are stored as, so
// the sums over a block of q8_0 (32) and over two sub-blocks of q4_K (64) are exact. From there on the arithmetic is f32's. An element's value
// depends neither on how rows and columns are cut nor on how many there are.

enum {
  /// K-elements of one packed block.
  hoof_fixed_depth = 512,
  /// Columns that are packed together.
  hoof_fixed_group = 32,
  /// Bytes from one packed row of a to the next: sums over 32 (64 bytes), 512 values, the unit; an odd number of cache lines keeps a tile's
  /// rows out of each other's cache sets.
  hoof_fixed_row = 64 + 2 * hoof_fixed_depth + 64 + 64,
  /// Bytes that a packed group of columns takes at most.
  hoof_fixed_columns = hoof_fixed_depth * hoof_fixed_group * 2 + hoof_fixed_depth / 64 * hoof_fixed_group * 3 * 4,
};

/// packed + m·hoof_fixed_row: row m of a, columns k0 ..< k0 + depth, m < rows; `stride` is a's row length in floats, k0 a multiple of
/// hoof_fixed_depth, `type` b's.
void hoof_fixed_pack_a(
    enum hoof_simd simd, enum hoof_type type, const float *a, size_t stride, size_t rows, size_t k0, size_t depth, void *packed);

/// Rows column ..< column + columns (at most hoof_fixed_group) of b, elements k0 ..< k0 + depth. `type` is q8_0 or q4_K.
void hoof_fixed_pack_b(
    enum hoof_simd simd, enum hoof_type type, const void *b, size_t row_bytes, size_t column, size_t columns, size_t k0, size_t depth,
    void *packed);

/// Memory that is soon to be read: `rows` stretches of `bytes`, `stride` apart.
struct hoof_ahead {
  const void *start;
  size_t stride, rows, bytes;
};

/// out[m·stride + n] = a's row m · b's row n + beta·out[m·stride + n], of packed pieces. With beta 0 out is not read. What `ahead` names is
/// asked for bit by bit meanwhile.
void hoof_fixed_multiply(
    enum hoof_simd simd, enum hoof_type type, const void *a, const void *b, size_t rows, size_t columns, size_t depth, float beta,
    float *out, size_t stride, struct hoof_ahead ahead);

#endif
