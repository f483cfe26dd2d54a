#ifndef HOOF_ROWS_H
#define HOOF_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

/// out [columns] = Σ over rows.
void hoof_column_sums(enum hoof_simd simd, const float *x, float *out, size_t rows, size_t columns);

/// out [5, columns]: Σ w|x|, Σ|x|, Σx, max|x|, number of |x| > threshold; row_weights [rows].
void hoof_column_statistics(
    enum hoof_simd simd, const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns);

/// out = Σ of `count` partial rows lying `stride` floats apart + beta·out, in double; beta 0 does not read out.
void hoof_combine_sums(enum hoof_simd simd, const float *parts, size_t count, size_t stride, float beta, float *out, size_t columns);

/// out = the greatest of `count` partial rows of values >= 0; NaN wins.
void hoof_combine_maxima(const float *parts, size_t count, size_t stride, float *out, size_t columns);

/// out [rows] = Σ a·b
void hoof_row_dots(enum hoof_simd simd, const float *a, const float *b, float *out, size_t rows, size_t columns);

/// out [rows] = ln Σ e^x
void hoof_row_log_sum_exp(enum hoof_simd simd, const float *x, float *out, size_t rows, size_t columns);

/// out [rows] = first column of the maximum; a NaN is larger than any number.
void hoof_row_argmax(enum hoof_simd simd, const float *x, int32_t *out, size_t rows, size_t columns);

#endif
