#include "hoof_quant.h"

#include <math.h>

#include "half.h"

// Files made here must equal ggml's byte for byte, so every float operation is done in the reference's order and none is fused.
#pragma STDC FP_CONTRACT OFF

// A lane is a block of 32 (q8_0 works along a block instead): each lane adds up its own block from front to back, as the reference does.
typedef float floats __attribute__((ext_vector_type(16)));
typedef int ints __attribute__((ext_vector_type(16)));
typedef float loose_floats __attribute__((ext_vector_type(16), aligned(4), may_alias));
typedef signed char bytes __attribute__((ext_vector_type(16), aligned(1), may_alias));

/// Every NaN becomes the one NaN of the reference's conversion.
static uint16_t scale_to_half(float value) {
  uint16_t half = float_to_half(value);
  return (half & 0x7fff) > 0x7c00 ? (half & 0x8000) | 0x7e00 : half;
}

/// The reference's rounding to the nearest integer, half to even, including what it makes of values it was not meant for.
static inline int nearest(float value) { return (int)(float_to_bits(value + 12582912.0f) & 0x007fffff) - 0x00400000; }

// Vectors pass by value between inlined functions only, so that narrower targets have no ABI to get wrong.
#pragma clang diagnostic ignored "-Wpsabi"

#define LEVEL scalar
#include "quantize_level.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL avx2
#include "quantize_level.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LEVEL avx512
#include "quantize_level.h"
#pragma clang attribute pop

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_avx512}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

typedef void (*quantise)(const float *x, uint8_t *blocks, size_t count);
static const quantise q8_0[] = LEVELS(q8_0);
static const quantise q4_K[] = LEVELS(q4_K);

/// Whole blocks in place, the rest through a copy with zeros behind it.
static void row(quantise whole, const float *x, uint8_t *blocks, size_t columns, size_t elements, size_t size) {
  size_t count = columns / elements, rest = columns % elements;
  whole(x, blocks, count);
  if (rest == 0) return;
  float last[256] = {0};
  memcpy(last, x + count * elements, rest * sizeof(float));
  whole(last, blocks + count * size, 1);
}

void hoof_quantize_q8_0_with(enum hoof_simd simd, const float *x, void *blocks, size_t columns) {
  row(q8_0[simd], x, blocks, columns, 32, q8_0_bytes);
}

void hoof_quantize_q4_K_with(enum hoof_simd simd, const float *x, void *blocks, size_t columns) {
  row(q4_K[simd], x, blocks, columns, 256, q4_K_bytes);
}

void hoof_quantize_q8_0(const float *x, void *blocks, size_t columns) { hoof_quantize_q8_0_with(hoof_simd_level(), x, blocks, columns); }
void hoof_quantize_q4_K(const float *x, void *blocks, size_t columns) { hoof_quantize_q4_K_with(hoof_simd_level(), x, blocks, columns); }
