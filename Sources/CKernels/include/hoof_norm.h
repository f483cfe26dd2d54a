#ifndef HOOF_NORM_H
#define HOOF_NORM_H

#include <stddef.h>

#include "hoof_cpu.h"

/// out = x / sqrt(mean(x²) + epsilon) ⊙ weight; inverse_rms [rows].
void hoof_rms_norm(
    enum hoof_simd simd, const float *x, const float *weight, float epsilon, float *out, float *inverse_rms, size_t rows, size_t columns);

/// Writes dx and adds to d_weight [columns], which may be null.
void hoof_rms_norm_backward(
    enum hoof_simd simd, const float *d_out, const float *x, const float *weight, const float *inverse_rms, float *dx, float *d_weight,
    size_t rows, size_t columns);

#endif
