#include "hoof_gemm.h"

#include <string.h>

// One source for every level: gemm_level.h is included with the vector width, the tile height and the target's features.
// Tiles fill the register file: AVX-512 12x32 keeps 24 sums + 2 columns + 1 row value in 32 registers, AVX2 6x16 the same in 16.
// Contraction is wanted: a sum is one chain of fused multiply-adds where the processor has them.
#pragma STDC FP_CONTRACT ON

#define LEVEL scalar
#define LANES 4
#define ROWS 4
#include "gemm_level.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL avx2
#define LANES 8
#define ROWS 6
#include "gemm_level.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LEVEL avx512
#define LANES 16
#define ROWS 12
#include "gemm_level.h"
#pragma clang attribute pop

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_avx512}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

typedef void (*pack_a)(const float *, size_t, int, size_t, size_t, size_t, size_t, float *);
typedef void (*pack_b)(enum hoof_simd, enum hoof_type, const uint8_t *, size_t, int, size_t, size_t, size_t, size_t, float *);
typedef void (*multiply)(const float *, size_t, const float *, size_t, size_t, size_t, float, float *, size_t);
static const pack_a packs_a[] = LEVELS(pack_a);
static const pack_b packs_b[] = LEVELS(pack_b);
static const multiply multiplies[] = LEVELS(multiply);
static const size_t tile_rows[] = LEVELS(tile_rows);

size_t hoof_gemm_tile_rows(enum hoof_simd simd) { return tile_rows[simd]; }

void hoof_gemm_pack_a(
    enum hoof_simd simd, const float *a, size_t stride, int transposed, size_t row, size_t rows, size_t k0, size_t depth, float *packed) {
  packs_a[simd](a, stride, transposed, row, rows, k0, depth, packed);
}

void hoof_gemm_pack_b(
    enum hoof_simd simd, enum hoof_type type, const void *b, size_t row_bytes, int transposed, size_t column, size_t columns, size_t k0,
    size_t depth, float *packed) {
  packs_b[simd](simd, type, b, row_bytes, transposed, column, columns, k0, depth, packed);
}

void hoof_gemm_multiply(
    enum hoof_simd simd, const float *a, size_t a_stride, const float *b, size_t rows, size_t columns, size_t depth, float beta, float *out,
    size_t stride) {
  multiplies[simd](a, a_stride, b, rows, columns, depth, beta, out, stride);
}
