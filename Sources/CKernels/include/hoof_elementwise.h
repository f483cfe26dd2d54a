#ifndef HOOF_ELEMENTWISE_H
#define HOOF_ELEMENTWISE_H

#include <stddef.h>

#include "hoof_cpu.h"
#include "hoof_hash.h"

void hoof_fill(enum hoof_simd simd, float *out, float value, size_t count);

/// out = a + b by rows; b_stride is `columns`, or 0 to use one row of b for all.
void hoof_add(enum hoof_simd simd, const float *a, const float *b, size_t b_stride, float *out, size_t rows, size_t columns);

/// y += alpha·x
void hoof_add_scaled(enum hoof_simd simd, const float *x, float alpha, float *y, size_t count);

/// out = a·b by rows, as hoof_add.
void hoof_multiply(enum hoof_simd simd, const float *a, const float *b, size_t b_stride, float *out, size_t rows, size_t columns);

void hoof_sigmoid(enum hoof_simd simd, const float *x, float *out, size_t count);

/// out = x·scale where the 24 upper bits of an element's hash are below the threshold, else 0; the first element has number `index`.
void hoof_dropout(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint32_t threshold, float scale, uint64_t index, float *out,
    size_t count);

#endif
