// SwiGLU (arXiv 2002.05202) and masks over column groups, forward and backward
#ifndef HOOF_LEVEL
#include "hoof_gate.h"

#define HOOF_SELF "gate.c"
#include "levels.h"

HOOF_TABLE(swiglu);
HOOF_TABLE(swiglu_backward);
HOOF_TABLE(mask_groups);
HOOF_TABLE(mask_groups_backward);

void hoof_swiglu(enum hoof_simd simd, const float *gate, const float *up, float *out, size_t count) {
  swiglu_table[simd](gate, up, out, count);
}

void hoof_swiglu_backward(
    enum hoof_simd simd, const float *d_out, const float *gate, const float *up, float *d_gate, float *d_up, size_t count) {
  swiglu_backward_table[simd](d_out, gate, up, d_gate, d_up, count);
}

void hoof_mask_groups(
    enum hoof_simd simd, const float *x, const float *mask, size_t mask_stride, float *out, size_t rows, size_t groups, size_t width) {
  mask_groups_table[simd](x, mask, mask_stride, out, rows, groups, width);
}

void hoof_mask_groups_backward(
    enum hoof_simd simd, const float *d_out, const float *x, const float *mask, size_t mask_stride, float *dx, float *d_mask,
    size_t d_mask_stride, size_t rows, size_t groups, size_t width) {
  mask_groups_backward_table[simd](d_out, x, mask, mask_stride, dx, d_mask, d_mask_stride, rows, groups, width);
}

#else
#include "dots.h"

#define finite_below KERNEL(finite_below)

// -inf would meet a sigmoid of 0; silu's limit there is 0, as it is for the lowest finite number.
LANE vf finite_below(vf x) { return vmax(vset(-3.402823466e38f), x); }

static void KERNEL(swiglu)(const float *gate, const float *up, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) {
    vf g = finite_below(vload(gate + i));
    vstore(out + i, g * vsigmoid(g) * vload(up + i));
  }
  if (i < count) {
    vf g = finite_below(vload_n(gate + i, count - i, 0));
    vstore_n(out + i, g * vsigmoid(g) * vload_n(up + i, count - i, 0), count - i);
  }
}

// With s = σ(g): dUp = dOut·g·s, dGate = dOut·up·s·(1 + g·(1 - s)); 1 - s is taken as σ(-g), which keeps its digits.
static void KERNEL(swiglu_backward)(
    const float *d_out, const float *gate, const float *up, float *d_gate, float *d_up, size_t count) {
  for (size_t i = 0; i < count; i += W) {
    size_t n = count - i;
    bool whole = n >= W;
    vf raw = whole ? vload(gate + i) : vload_n(gate + i, n, 0);
    vf d = whole ? vload(d_out + i) : vload_n(d_out + i, n, 0), u = whole ? vload(up + i) : vload_n(up + i, n, 0);
    vf g = vmin(vset(3.402823466e38f), finite_below(raw)), e = vexp((vf)((vu)g | 0x80000000u)), denominator = e + 1.0f;
    vu negative = (vu)(g < vset(0));
    vf s = vselect(negative, e, vset(1)) / denominator, rest = vselect(negative, vset(1), e) / denominator;
    vf to_up = d * (g * s), to_gate = d * u * (s * vfma(g, rest, vset(1)));
    if (whole) {
      vstore(d_up + i, to_up);
      vstore(d_gate + i, to_gate);
    } else {
      vstore_n(d_up + i, to_up, n);
      vstore_n(d_gate + i, to_gate, n);
    }
  }
}

#define scale_row KERNEL(scale_row)
LANE void scale_row(const float *x, float factor, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vload(x + i) * factor);
  if (i < count) vstore_n(out + i, vload_n(x + i, count - i, 0) * factor, count - i);
}

#define multiply_row KERNEL(multiply_row)
LANE void multiply_row(const float *x, const float *factors, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vload(x + i) * vload(factors + i));
  if (i < count) vstore_n(out + i, vload_n(x + i, count - i, 0) * vload_n(factors + i, count - i, 0), count - i);
}

static void KERNEL(mask_groups)(
    const float *x, const float *mask, size_t mask_stride, float *out, size_t rows, size_t groups, size_t width) {
  for (size_t r = 0; r < rows; r++, mask += mask_stride) {
    if (width == 1) {
      multiply_row(x, mask, out, groups);
      x += groups;
      out += groups;
      continue;
    }
    for (size_t g = 0; g < groups; g++, x += width, out += width) scale_row(x, mask[g], out, width);
  }
}

static void KERNEL(mask_groups_backward)(
    const float *d_out, const float *x, const float *mask, size_t mask_stride, float *dx, float *d_mask, size_t d_mask_stride, size_t rows,
    size_t groups, size_t width) {
  for (size_t r = 0; r < rows; r++, mask += mask_stride) {
    if (width == 1) {
      multiply_row(d_out, mask, dx, groups);
      if (d_mask) {
        float *sums = d_mask + r * d_mask_stride;
        size_t i = 0;
        for (; i + W <= groups; i += W) vstore(sums + i, vfma(vload(d_out + i), vload(x + i), vload(sums + i)));
        for (; i < groups; i++) sums[i] += d_out[i] * x[i];
      }
      d_out += groups;
      x += groups;
      dx += groups;
      continue;
    }
    for (size_t g = 0; g < groups; g++, d_out += width, x += width, dx += width) {
      scale_row(d_out, mask[g], dx, width);
      if (d_mask) d_mask[r * d_mask_stride + g] += (float)row_dot(d_out, x, width);
    }
  }
}
#endif
