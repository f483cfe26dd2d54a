#include "hoof_dot.h"

#include <math.h>
#include <stdbool.h>

#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma STDC FP_CONTRACT ON

// Weights are widened in registers, 32 at a time, and multiplied as floats. That is far from memory bandwidth for the block types, so
// where the processor multiplies bytes they stay bytes (dot_vnni.h; numbers at CPUBackend.plan).

#define LEVEL scalar
#define LANES 4
#define CHUNK 2
#include "dot_level.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
/// Steps and minima of the 8 sub-blocks of a super-block.
static inline __attribute__((always_inline)) void q4_K_steps(const uint8_t *row, __m256 *steps, __m256 *minima) {
  uint32_t factors, u, v, w;
  memcpy(&factors, row, 4);
  memcpy(&u, row + 4, 4);
  memcpy(&v, row + 8, 4);
  memcpy(&w, row + 12, 4);
  uint64_t high = (uint64_t)((w & 0x0f0f0f0f) | (u >> 2 & 0x30303030));
  uint64_t high_minima = (uint64_t)((w >> 4 & 0x0f0f0f0f) | (v >> 2 & 0x30303030));
  __m128i packed_steps = _mm_cvtsi64_si128((long long)((u & 0x3f3f3f3f) | high << 32));
  __m128i packed_minima = _mm_cvtsi64_si128((long long)((v & 0x3f3f3f3f) | high_minima << 32));
  // Not _cvtsh_ss: its undefined upper half lets the compiler merge into a register that holds a sum, and blocks wait for each other.
  __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)factors));
  *steps = _mm256_mul_ps(_mm256_broadcastss_ps(both), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(packed_steps)));
  *minima = _mm256_mul_ps(_mm256_broadcastss_ps(_mm_movehdup_ps(both)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(packed_minima)));
}

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

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#include "dot_vnni.h"
#pragma clang attribute pop

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_vnni}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

typedef void (*dot)(
    enum hoof_type, int, const float *, size_t, size_t, const uint8_t *, size_t, size_t, size_t, size_t, float, float *, size_t);
typedef void (*prepare)(enum hoof_type, int, const float *, size_t, float *);
static const dot dots[] = LEVELS(dot);
static const prepare preparations[] = LEVELS(prepare);

size_t hoof_dot_stride(size_t columns) {
  size_t blocks = (columns + 255) / 256;
  return blocks * 256 + (blocks * 8 + 15) / 16 * 16 + 16;
}

void hoof_dot_prepare(enum hoof_simd simd, enum hoof_type type, int bytes, const float *x, size_t columns, float *out) {
  preparations[simd](type, bytes, x, columns, out);
}

void hoof_dot(
    enum hoof_simd simd, enum hoof_type type, int bytes, const float *x, size_t x_stride, size_t rows, const void *b, size_t row_bytes,
    size_t columns, size_t first, size_t end, float beta, float *out, size_t stride) {
  dots[simd](type, bytes, x, x_stride, rows, b, row_bytes, columns, first, end, beta, out, stride);
}
