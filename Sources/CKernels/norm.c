// RMS norm (arXiv 1910.07467), forward and backward
#ifndef HOOF_LEVEL
#include "hoof_norm.h"

#include <math.h>

#define HOOF_SELF "norm.c"
#include "levels.h"

HOOF_TABLE(rms_norm);
HOOF_TABLE(rms_norm_backward);

void hoof_rms_norm(
    enum hoof_simd simd, const float *x, const float *weight, float epsilon, float *out, float *inverse_rms, size_t rows, size_t columns) {
  rms_norm_table[simd](x, weight, epsilon, out, inverse_rms, rows, columns);
}

void hoof_rms_norm_backward(
    enum hoof_simd simd, const float *d_out, const float *x, const float *weight, const float *inverse_rms, float *dx, float *d_weight,
    size_t rows, size_t columns) {
  rms_norm_backward_table[simd](d_out, x, weight, inverse_rms, dx, d_weight, rows, columns);
}

#else
#include "dots.h"

static void KERNEL(rms_norm)(
    const float *x, const float *weight, float epsilon, float *out, float *inverse_rms, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns, out += columns) {
    double squares = row_dot(x, x, columns);
    float inverse = (float)(1.0 / sqrt(squares / (double)columns + (double)epsilon));
    inverse_rms[r] = inverse;
    size_t i = 0;
    for (; i + W <= columns; i += W) vstore(out + i, vload(x + i) * inverse * vload(weight + i));
    if (i < columns) {
      size_t n = columns - i;
      vstore_n(out + i, vload_n(x + i, n, 0) * inverse * vload_n(weight + i, n, 0), n);
    }
  }
}

// With y = x·s, s = 1/rms: dx = s·(w⊙dOut) - x·s³/C·Σ(w⊙dOut⊙x), dWeight += dOut⊙x·s.
static void KERNEL(rms_norm_backward)(
    const float *d_out, const float *x, const float *weight, const float *inverse_rms, float *dx, float *d_weight, size_t rows,
    size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns, d_out += columns, dx += columns) {
    double s = inverse_rms[r];
    double dot = row_dot3(d_out, weight, x, columns);
    vf scale = vset(inverse_rms[r]), pull = vset((float)(-dot * s * s * s / (double)columns));
    size_t i = 0;
    for (; i + W <= columns; i += W) {
      vf g = vload(d_out + i), value = vload(x + i);
      vstore(dx + i, vfma(pull, value, scale * (g * vload(weight + i))));
      if (d_weight) vstore(d_weight + i, vfma(g, value * scale, vload(d_weight + i)));
    }
    if (i < columns) {
      size_t n = columns - i;
      vf g = vload_n(d_out + i, n, 0), value = vload_n(x + i, n, 0);
      vstore_n(dx + i, vfma(pull, value, scale * (g * vload_n(weight + i, n, 0))), n);
      if (d_weight) vstore_n(d_weight + i, vfma(g, value * scale, vload_n(d_weight + i, n, 0)), n);
    }
  }
}
#endif
