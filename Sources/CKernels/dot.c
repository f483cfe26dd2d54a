#include "hoof_dot.h"

#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma STDC FP_CONTRACT ON

// Weights are widened in registers, 32 at a time, and multiplied as floats: that reaches memory bandwidth, so integer products of rounded
// activations, which would be less exact, have little left to win (numbers at CPUBackend.plan).

#define LEVEL scalar
#define LANES 4
#define CHUNK 2
#include "dot_level.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL avx2
#define LANES 8
#define CHUNK 2
#include "dot_level.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LEVEL avx512
#define LANES 16
#define CHUNK 2
#include "dot_level.h"
#pragma clang attribute pop

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_avx512}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

typedef void (*dot)(
    enum hoof_type, const float *, size_t, size_t, const uint8_t *, size_t, size_t, size_t, size_t, float, float *, size_t);
typedef void (*prepare)(enum hoof_type, const float *, size_t, float *);
static const dot dots[] = LEVELS(dot);
static const prepare preparations[] = LEVELS(prepare);

size_t hoof_dot_stride(size_t columns) {
  size_t blocks = (columns + 255) / 256;
  return blocks * 256 + (blocks * 8 + 15) / 16 * 16 + 16;
}

void hoof_dot_prepare(enum hoof_simd simd, enum hoof_type type, const float *x, size_t columns, float *out) {
  preparations[simd](type, x, columns, out);
}

void hoof_dot(
    enum hoof_simd simd, enum hoof_type type, const float *x, size_t x_stride, size_t rows, const void *b, size_t row_bytes, size_t columns,
    size_t first, size_t end, float beta, float *out, size_t stride) {
  dots[simd](type, x, x_stride, rows, b, row_bytes, columns, first, end, beta, out, stride);
}
