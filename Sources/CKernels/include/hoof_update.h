#ifndef HOOF_UPDATE_H
#define HOOF_UPDATE_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"
#include "hoof_hash.h"

struct hoof_adamw {
  float rate, beta1, beta2, epsilon, decay, gradient_scale;
  float first_correction, second_correction;  // 1 / (1 - beta^step)
};

/// One AdamW step on f32 parameters and moments.
void hoof_adamw(
    enum hoof_simd simd, const struct hoof_adamw *update, float *parameter, const float *gradient, float *first, float *second, size_t count);

/// The values of both codes' bytes, and where the moments of a tensor lie: 256 codes and a scale for each block of 256 elements.
struct hoof_moments {
  const float *signed_values, *unsigned_values;
  uint8_t *first, *second;
  float *first_scales, *second_scales;
};

/// The same with moments of 8 bits (TensorCore's BlockMoment). `parameter` and `gradient` begin at a block's first element, `moments` at its
/// codes; the last block may have fewer than 256 elements.
void hoof_adamw8(
    enum hoof_simd simd, const struct hoof_adamw *update, float *parameter, const float *gradient, const struct hoof_moments *moments,
    size_t count);

/// table[ids[r]] += x[r] for columns from ..< to, in order of r.
void hoof_scatter_add(
    enum hoof_simd simd, const float *x, const int32_t *ids, float *table, size_t rows, size_t columns, size_t from, size_t to);

/// f32 to bf16 or f16 bits, to nearest even.
void hoof_round_bf16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count);
void hoof_round_f16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count);

/// f32 to bf16 or f16 bits, away from zero where the 24 upper bits of an element's hash, as a fraction, are below what truncating would
/// drop; the first element has number `index`.
void hoof_dither_bf16(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count);
void hoof_dither_f16(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count);

#endif
