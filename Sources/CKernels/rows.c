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

// A strip of columns: Σ w|x|, Σ|x|, Σx, max|x|, how many |x| > threshold, kept in registers down the rows. Strips are several lanes wide,
// because the rows lie far apart in memory; `last` is how many floats the strip's last lanes hold.
#define STRIP 4
LANE void KERNEL(statistics_strip)(
    const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns, const int lanes, size_t last) {
  vf weighted[STRIP], absolute[STRIP], sum[STRIP], maximum[STRIP], above[STRIP];
  for (int s = 0; s < lanes; s++) weighted[s] = absolute[s] = sum[s] = maximum[s] = above[s] = vset(0);
  for (size_t r = 0; r < rows; r++, x += columns)
    for (int s = 0; s < lanes; s++) {
      vf v = s + 1 < lanes || last == W ? vload(x + s * W) : vload_n(x + s * W, last, 0), a = vabs(v);
      weighted[s] = vfma(vset(row_weights[r]), a, weighted[s]);
      absolute[s] += a;
      sum[s] += v;
      // Bit patterns of numbers >= 0 are ordered like the numbers, NaN above all, so a NaN stays.
      maximum[s] = (vf)__builtin_elementwise_max((vu)maximum[s], (vu)a);
      above[s] += vselect((vu)(a > vset(threshold)), vset(1), vset(0));
    }
  for (int s = 0; s < lanes; s++) {
    vf all[5] = {weighted[s], absolute[s], sum[s], maximum[s], above[s]};
    for (size_t k = 0; k < 5; k++) {
      if (s + 1 < lanes || last == W) vstore(out + k * columns + s * W, all[k]);
      else vstore_n(out + k * columns + s * W, all[k], last);
    }
  }
}

static void KERNEL(column_statistics)(
    const float *x, const float *row_weights, float threshold, float *out, size_t rows, size_t columns) {
  size_t i = 0;
  for (; i + STRIP * W <= columns; i += STRIP * W)
    KERNEL(statistics_strip)(x + i, row_weights, threshold, out + i, rows, columns, STRIP, W);
  for (; i + W <= columns; i += W) KERNEL(statistics_strip)(x + i, row_weights, threshold, out + i, rows, columns, 1, W);
  if (i < columns) KERNEL(statistics_strip)(x + i, row_weights, threshold, out + i, rows, columns, 1, columns - i);
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

// Long enough that the reduction at a block's end costs little, short enough to be searched again from the cache.
#define ARGMAX_BLOCK 2048

static void KERNEL(row_argmax)(const float *x, int32_t *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns) {
    size_t winner = 0;
    float best = -__builtin_inff();
    for (size_t start = 0; start < columns; start += ARGMAX_BLOCK) {
      size_t n = columns - start < ARGMAX_BLOCK ? columns - start : ARGMAX_BLOCK, i = 0;
      vf m0 = vset(-__builtin_inff()), m1 = m0;
      // The greatest bit pattern without its sign shows whether there was a NaN.
      vu bits = (vu)vset(0);
      for (; i + 2 * W <= n; i += 2 * W) {
        vf a = vload(x + start + i), b = vload(x + start + i + W);
        m0 = vmax(a, m0);
        m1 = vmax(b, m1);
        soft_prefetch(x + start + i + SOFT_BLOCK, 2 * W);
        bits = __builtin_elementwise_max(bits, __builtin_elementwise_max((vu)vabs(a), (vu)vabs(b)));
      }
      for (; i < n; i += W) {
        vf a = n - i >= W ? vload(x + start + i) : vload_n(x + start + i, n - i, -__builtin_inff());
        m0 = vmax(a, m0);
        bits = __builtin_elementwise_max(bits, (vu)vabs(a));
      }
      if (__builtin_reduce_max(bits) > 0x7f800000u) {
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
