// Reductions along rows and columns
#ifndef HOOF_LEVEL
#include "hoof_rows.h"

#include <math.h>

#define HOOF_SELF "rows.c"
#include "levels.h"

HOOF_TABLE(column_sums);
HOOF_TABLE(column_statistics);
HOOF_TABLE(combine_sums);
HOOF_TABLE(row_dots);
HOOF_TABLE(row_log_sum_exp);
HOOF_TABLE(row_argmax);

void hoof_column_sums(enum hoof_simd simd, const float *x, float *out, size_t rows, size_t columns) {
  column_sums_table[simd](x, out, rows, columns);
}

void hoof_column_statistics(
    enum hoof_simd simd, const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns) {
  column_statistics_table[simd](x, row_weights, threshold, out, rows, columns);
}

void hoof_combine_sums(enum hoof_simd simd, const float *parts, size_t count, size_t stride, float beta, float *out, size_t columns) {
  combine_sums_table[simd](parts, count, stride, beta, out, columns);
}

void hoof_combine_maxima(const float *parts, size_t count, size_t stride, float *out, size_t columns) {
  for (size_t c = 0; c < columns; c++) {
    float m = 0;
    for (size_t p = 0; p < count; p++) {
      float x = parts[p * stride + c];
      if (!(x <= m) && m == m) m = x;
    }
    out[c] = m;
  }
}

void hoof_row_dots(enum hoof_simd simd, const float *a, const float *b, float *out, size_t rows, size_t columns) {
  row_dots_table[simd](a, b, out, rows, columns);
}

void hoof_row_log_sum_exp(enum hoof_simd simd, const float *x, float *out, size_t rows, size_t columns) {
  row_log_sum_exp_table[simd](x, out, rows, columns);
}

void hoof_row_argmax(enum hoof_simd simd, const float *x, int32_t *out, size_t rows, size_t columns) {
  row_argmax_table[simd](x, out, rows, columns);
}

#else
#include "dots.h"
#include "rowstats.h"

#define ROW_GROUP 4

// Four rows at a time, so that the sums are loaded and stored once per four rows.
static void KERNEL(column_sums)(const float *x, float *out, size_t rows, size_t columns) {
  memset(out, 0, columns * sizeof *out);
  size_t r = 0;
  for (; r + ROW_GROUP <= rows; r += ROW_GROUP) {
    const float *a = x + r * columns, *b = a + columns, *c = b + columns, *d = c + columns;
    size_t i = 0;
    for (; i + W <= columns; i += W) vstore(out + i, vload(out + i) + ((vload(a + i) + vload(b + i)) + (vload(c + i) + vload(d + i))));
    for (; i < columns; i++) out[i] += (a[i] + b[i]) + (c[i] + d[i]);
  }
  for (; r < rows; r++) {
    const float *a = x + r * columns;
    size_t i = 0;
    for (; i + W <= columns; i += W) vstore(out + i, vload(out + i) + vload(a + i));
    for (; i < columns; i++) out[i] += a[i];
  }
}

// One strip of columns: Σ w|x|, Σ|x|, Σx, max|x|, how many |x| > threshold, kept in registers down the rows.
LANE void KERNEL(statistics_strip)(
    const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns, size_t n) {
  vf weighted = vset(0), absolute = weighted, sum = weighted, maximum = weighted, above = weighted;
  for (size_t r = 0; r < rows; r++) {
    vf v = n == W ? vload(x + r * columns) : vload_n(x + r * columns, n, 0), a = vabs(v);
    weighted = vfma(vset(row_weights[r]), a, weighted);
    absolute += a;
    sum += v;
    // Keeps a NaN once one is seen.
    maximum = vselect((vu)(a <= maximum) | (vu)(maximum != maximum), maximum, a);
    above += vselect((vu)(a > vset(threshold)), vset(1), vset(0));
  }
  vf all[5] = {weighted, absolute, sum, maximum, above};
  for (int k = 0; k < 5; k++) {
    if (n == W) vstore(out + (size_t)k * columns, all[k]);
    else vstore_n(out + (size_t)k * columns, all[k], n);
  }
}

static void KERNEL(column_statistics)(
    const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns) {
  size_t i = 0;
  for (; i + W <= columns; i += W) KERNEL(statistics_strip)(x + i, row_weights, threshold, out + i, rows, columns, W);
  if (i < columns) KERNEL(statistics_strip)(x + i, row_weights, threshold, out + i, rows, columns, columns - i);
}

static void KERNEL(combine_sums)(const float *parts, size_t count, size_t stride, float beta, float *out, size_t columns) {
  enum { strip = 32 };
  for (size_t start = 0; start < columns; start += strip) {
    size_t n = columns - start < strip ? columns - start : strip;
    double sums[strip] = {0};
    if (beta != 0)
      for (size_t i = 0; i < n; i++) sums[i] = (double)beta * (double)out[start + i];
    for (size_t p = 0; p < count; p++)
      for (size_t i = 0; i < n; i++) sums[i] += (double)parts[p * stride + start + i];
    for (size_t i = 0; i < n; i++) out[start + i] = (float)sums[i];
  }
}

static void KERNEL(row_dots)(const float *a, const float *b, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) out[r] = (float)row_dot(a + r * columns, b + r * columns, columns);
}

static void KERNEL(row_log_sum_exp)(const float *x, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns) {
    struct soft s = {0, -__builtin_inff()};
    for (size_t i = 0; i < columns; i += SOFT_BLOCK) soft_add(&s, x + i, columns - i < SOFT_BLOCK ? columns - i : SOFT_BLOCK);
    out[r] = (float)soft_log(s);
  }
}

static void KERNEL(row_argmax)(const float *x, int32_t *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns) {
    size_t winner = 0;
    float best = -__builtin_inff();
    for (size_t start = 0; start < columns; start += SOFT_BLOCK) {
      size_t n = columns - start < SOFT_BLOCK ? columns - start : SOFT_BLOCK, i = 0;
      vf m0 = vset(-__builtin_inff()), m1 = m0;
      vu unordered = (vu)(m0 != m0);
      for (; i + 2 * W <= n; i += 2 * W) {
        vf a = vload(x + start + i), b = vload(x + start + i + W);
        m0 = vmax(a, m0);
        m1 = vmax(b, m1);
        unordered |= (vu)(a != a) | (vu)(b != b);
      }
      for (; i < n; i += W) {
        vf a = n - i >= W ? vload(x + start + i) : vload_n(x + start + i, n - i, -__builtin_inff());
        m0 = vmax(a, m0);
        unordered |= (vu)(a != a);
      }
      if (__builtin_reduce_or(unordered)) {
        winner = start + first_nan(x + start, n);
        break;
      }
      float m = vhmax(vmax(m0, m1));
      if (m > best) {
        best = m;
        winner = start + first_equal(x + start, m, n);
      }
    }
    out[r] = (int32_t)winner;
  }
}
#endif
