#ifndef HOOF_GATE_H
#define HOOF_GATE_H

#include <stddef.h>

#include "hoof_cpu.h"

/// out = silu(gate)·up
void hoof_swiglu(enum hoof_simd simd, const float *gate, const float *up, float *out, size_t count);

void hoof_swiglu_backward(
    enum hoof_simd simd, const float *d_out, const float *gate, const float *up, float *d_gate, float *d_up, size_t count);

/// out = x with each group of `width` columns scaled by its mask value; mask_stride is `groups`, or 0 for one mask row.
void hoof_mask_groups(
    enum hoof_simd simd, const float *x, const float *mask, size_t mask_stride, float *out, size_t rows, size_t groups, size_t width);

/// dx = d_out·mask; adds Σ d_out·x of each group to d_mask (may be null), whose rows lie d_mask_stride floats apart (0: one row for all).
void hoof_mask_groups_backward(
    enum hoof_simd simd, const float *d_out, const float *x, const float *mask, size_t mask_stride, float *dx, float *d_mask,
    size_t d_mask_stride, size_t rows, size_t groups, size_t width);

#endif
