// fill, add, addScaled, multiply, sigmoid, dropout
#ifndef HOOF_LEVEL
#include "hoof_elementwise.h"

#define HOOF_SELF "elementwise.c"
#include "levels.h"

HOOF_TABLE(fill);
HOOF_TABLE(add);
HOOF_TABLE(add_scaled);
HOOF_TABLE(multiply);
HOOF_TABLE(sigmoid);
HOOF_TABLE(dropout);

void hoof_fill(enum hoof_simd simd, float *out, float value, size_t count) { fill_table[simd](out, value, count); }

void hoof_add(enum hoof_simd simd, const float *a, const float *b, size_t b_stride, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) add_table[simd](a + r * columns, b + r * b_stride, out + r * columns, columns);
}

void hoof_add_scaled(enum hoof_simd simd, const float *x, float alpha, float *y, size_t count) { add_scaled_table[simd](x, alpha, y, count); }

void hoof_multiply(enum hoof_simd simd, const float *a, const float *b, size_t b_stride, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) multiply_table[simd](a + r * columns, b + r * b_stride, out + r * columns, columns);
}

void hoof_sigmoid(enum hoof_simd simd, const float *x, float *out, size_t count) { sigmoid_table[simd](x, out, count); }

void hoof_dropout(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint32_t threshold, float scale, uint64_t index, float *out,
    size_t count) {
  dropout_table[simd](x, keys, threshold, scale, index, out, count);
}

#else
#include "hash.h"

static void KERNEL(fill)(float *out, float value, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vset(value));
  if (i < count) vstore_n(out + i, vset(value), count - i);
}

static void KERNEL(add)(const float *a, const float *b, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vload(a + i) + vload(b + i));
  if (i < count) vstore_n(out + i, vload_n(a + i, count - i, 0) + vload_n(b + i, count - i, 0), count - i);
}

static void KERNEL(add_scaled)(const float *x, float alpha, float *y, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(y + i, vfma(vset(alpha), vload(x + i), vload(y + i)));
  if (i < count) vstore_n(y + i, vfma(vset(alpha), vload_n(x + i, count - i, 0), vload_n(y + i, count - i, 0)), count - i);
}

static void KERNEL(multiply)(const float *a, const float *b, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vload(a + i) * vload(b + i));
  if (i < count) vstore_n(out + i, vload_n(a + i, count - i, 0) * vload_n(b + i, count - i, 0), count - i);
}

static void KERNEL(sigmoid)(const float *x, float *out, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) vstore(out + i, vsigmoid(vload(x + i)));
  if (i < count) vstore_n(out + i, vsigmoid(vload_n(x + i, count - i, 0)), count - i);
}

static void KERNEL(dropout)(
    const float *x, const struct hoof_hash *keys, uint32_t threshold, float scale, uint64_t index, float *out, size_t count) {
  for (size_t i = 0; i < count; i += W) {
    size_t n = count - i;
    vu kept = (vu)((vhash(keys, index + i) >> 8) < (vu)threshold);
    vf y = (vf)((vu)((n < W ? vload_n(x + i, n, 0) : vload(x + i)) * scale) & kept);
    if (n < W) vstore_n(out + i, y, n);
    else vstore(out + i, y);
  }
}
#endif
