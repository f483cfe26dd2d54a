#ifndef HOOF_UPDATE_H
#define HOOF_UPDATE_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

struct hoof_adamw {
  float rate, beta1, beta2, epsilon, decay, gradient_scale;
  float first_correction, second_correction;  // 1 / (1 - beta^step)
};

/// One AdamW step on f32 parameters and moments.
void hoof_adamw(
    enum hoof_simd simd, const struct hoof_adamw *update, float *parameter, const float *gradient, float *first, float *second, size_t count);

/// table[ids[r]] += x[r] for columns from ..< to, in order of r.
void hoof_scatter_add(
    enum hoof_simd simd, const float *x, const int32_t *ids, float *table, size_t rows, size_t columns, size_t from, size_t to);

/// f32 to bf16 or f16 bits, to nearest even.
void hoof_round_bf16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count);
void hoof_round_f16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count);

#endif
