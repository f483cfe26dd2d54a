#include "hoof_fixed.h"

#include <math.h>

#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// One source for every level: fixed_level.h is included with the vector width, the tile height and the product of pairs.
// Contraction is wanted: a stretch's sum times its step is added to the others by one rounding where the processor can.
#pragma STDC FP_CONTRACT ON

/// What a sum over 32 (q8_0) or 64 (q4_K) values of K comes with, and how many bytes the packed columns of one such stretch take a column.
#define STRETCH(type) ((type) == hoof_type_q4_K ? (size_t)64 : (size_t)32)
#define STRETCH_BYTES(type) ((type) == hoof_type_q4_K ? (size_t)(12 + 128) : (size_t)(4 + 64))

#define LEVEL scalar
#define LANES 4
#define ROWS 2
#include "fixed_level.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
/// Not by intrinsics: the compiler would add products to each other first, for which there are not enough registers.
static inline __attribute__((always_inline)) __m256i avx2_dot(__m256i sum, __m256i w, __m256i x) {
  __m256i product;
  __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(w), "x"(x));
  return sum;
}
#define LEVEL avx2
#define LANES 8
#define ROWS 4
#define DOT(sum, w, x) avx2_dot((__m256i)sum, (__m256i)w, (__m256i)x)
#include "fixed_level.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
static inline __attribute__((always_inline)) __m512i avx512_dot(__m512i sum, __m512i w, __m512i x) {
  __m512i product;
  __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sum), "=&v"(product) : "v"(w), "v"(x));
  return sum;
}
#define LEVEL avx512
#define LANES 16
#define ROWS 6
#define DOT(sum, w, x) avx512_dot((__m512i)sum, (__m512i)w, (__m512i)x)
#include "fixed_level.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
/// Not _mm512_dpwssd_epi32: the compiler takes it apart into a product and an addition, which is half as fast.
static inline __attribute__((always_inline)) __m512i vnni_dot(__m512i sum, __m512i w, __m512i x) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}
#define LEVEL vnni
#define LANES 16
#define ROWS 6
#define DOT(sum, w, x) vnni_dot((__m512i)sum, (__m512i)w, (__m512i)x)
#include "fixed_level.h"
#pragma clang attribute pop

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_vnni}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

typedef void (*pack_a)(enum hoof_type, const float *, size_t, size_t, size_t, size_t, uint8_t *);
typedef void (*pack_b)(enum hoof_type, const uint8_t *, size_t, size_t, size_t, size_t, size_t, uint8_t *);
typedef void (*multiply)(enum hoof_type, const uint8_t *, const uint8_t *, size_t, size_t, size_t, float, float *, size_t, struct hoof_ahead);
static const pack_a packs_a[] = LEVELS(pack_a);
static const pack_b packs_b[] = LEVELS(pack_b);
static const multiply multiplies[] = LEVELS(multiply);

void hoof_fixed_pack_a(
    enum hoof_simd simd, enum hoof_type type, const float *a, size_t stride, size_t rows, size_t k0, size_t depth, void *packed) {
  packs_a[simd](type, a, stride, rows, k0, depth, packed);
}

void hoof_fixed_pack_b(
    enum hoof_simd simd, enum hoof_type type, const void *b, size_t row_bytes, size_t column, size_t columns, size_t k0, size_t depth,
    void *packed) {
  packs_b[simd](type, b, row_bytes, column, columns, k0, depth, packed);
}

void hoof_fixed_multiply(
    enum hoof_simd simd, enum hoof_type type, const void *a, const void *b, size_t rows, size_t columns, size_t depth, float beta,
    float *out, size_t stride, struct hoof_ahead ahead) {
  multiplies[simd](type, a, b, rows, columns, depth, beta, out, stride, ahead);
}
