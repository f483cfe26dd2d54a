#ifndef HOOF_CONVERT_H
#define HOOF_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

/// Element types of stored matrices; the values are those of Swift's `DType`.
enum hoof_type {
  hoof_type_f32 = 0,
  hoof_type_f16 = 1,
  hoof_type_bf16 = 2,
  hoof_type_i32 = 3,
  hoof_type_q8_0 = 4,
  hoof_type_q4_K = 5,
};

/// Bytes of a row of `columns` elements, padded to whole blocks.
size_t hoof_row_bytes(enum hoof_type type, size_t columns);

/// Elements first ..< first + count of a row, as floats. For block types `first` is a multiple of 32. Every SIMD level gives the same bits,
/// and for the block types they are those of ggml's dequantize_row_*.
void hoof_row_to_f32(enum hoof_simd simd, enum hoof_type type, const void *row, size_t first, size_t count, float *out);

/// Rounds to nearest even; NaN stays NaN. `type` is f32, f16 or bf16.
void hoof_row_from_f32(enum hoof_simd simd, enum hoof_type type, const float *x, size_t count, void *out);

#endif
