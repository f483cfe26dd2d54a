#include "hoof_convert.h"

#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// d·q and d·scale·q - dmin·minimum round after the product, as ggml's own conversion does.
#pragma STDC FP_CONTRACT OFF

typedef void (*to_f32)(const uint8_t *row, size_t first, size_t count, float *out);
typedef void (*from_f32)(const float *x, size_t count, uint8_t *out);

size_t hoof_row_bytes(enum hoof_type type, size_t columns) {
  switch (type) {
  case hoof_type_f32:
  case hoof_type_i32: return columns * 4;
  case hoof_type_f16:
  case hoof_type_bf16: return columns * 2;
  case hoof_type_q8_0: return (columns + 31) / 32 * q8_0_bytes;
  case hoof_type_q4_K: return (columns + 255) / 256 * q4_K_bytes;
  }
  return 0;
}

// MARK: scalar

static void f32_to_f32(const uint8_t *row, size_t first, size_t count, float *out) { memcpy(out, row + first * 4, count * 4); }

static void f16_to_f32_scalar(const uint8_t *row, size_t first, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) out[i] = half_to_float(load_u16(row + (first + i) * 2));
}

static void bf16_to_f32_scalar(const uint8_t *row, size_t first, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) out[i] = bfloat_to_float(load_u16(row + (first + i) * 2));
}

static void q8_0_to_f32_scalar(const uint8_t *row, size_t first, size_t count, float *out) {
  for (const uint8_t *block = row + first / 32 * q8_0_bytes; count; block += q8_0_bytes) {
    float d = half_to_float(load_u16(block));
    size_t n = count < 32 ? count : 32;
    for (size_t i = 0; i < n; i++) out[i] = (float)(int8_t)block[2 + i] * d;
    out += n;
    count -= n;
  }
}

static void q4_K_to_f32_scalar(const uint8_t *row, size_t first, size_t count, float *out) {
  for (; count; first += 32) {
    const uint8_t *block = row + first / 256 * q4_K_bytes;
    size_t j = first / 32 % 8, n = count < 32 ? count : 32;
    uint8_t scale, minimum;
    q4_K_scale(block + 4, j, &scale, &minimum);
    float d = half_to_float(load_u16(block)) * scale, m = half_to_float(load_u16(block + 2)) * minimum;
    const uint8_t *q = block + 16 + j / 2 * 32;
    int shift = j % 2 ? 4 : 0;
    for (size_t i = 0; i < n; i++) out[i] = d * (float)(q[i] >> shift & 15) - m;
    out += n;
    count -= n;
  }
}

static void f32_from_f32(const float *x, size_t count, uint8_t *out) { memcpy(out, x, count * 4); }

static void f16_from_f32_scalar(const float *x, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint16_t h = float_to_half(x[i]);
    memcpy(out + i * 2, &h, 2);
  }
}

static void bf16_from_f32_scalar(const float *x, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint16_t b = float_to_bfloat(x[i]);
    memcpy(out + i * 2, &b, 2);
  }
}

#if defined(__x86_64__)

// MARK: AVX2

#define AVX2 __attribute__((target("avx2,fma,f16c")))

AVX2 static void f16_to_f32_avx2(const uint8_t *row, size_t first, size_t count, float *out) {
  const uint8_t *x = row + first * 2;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i * 2))));
  f16_to_f32_scalar(x, i, count - i, out + i);
}

AVX2 static void bf16_to_f32_avx2(const uint8_t *row, size_t first, size_t count, float *out) {
  const uint8_t *x = row + first * 2;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(x + i * 2)));
    _mm256_storeu_si256((__m256i *)(out + i), _mm256_slli_epi32(wide, 16));
  }
  bf16_to_f32_scalar(x, i, count - i, out + i);
}

AVX2 static void q8_0_to_f32_avx2(const uint8_t *row, size_t first, size_t count, float *out) {
  for (; count >= 32; first += 32, count -= 32, out += 32) {
    const uint8_t *block = row + first / 32 * q8_0_bytes;
    __m256 d = _mm256_set1_ps(_cvtsh_ss(load_u16(block)));
    for (int i = 0; i < 4; i++) {
      __m256i q = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(block + 2 + 8 * i)));
      _mm256_storeu_ps(out + 8 * i, _mm256_mul_ps(_mm256_cvtepi32_ps(q), d));
    }
  }
  q8_0_to_f32_scalar(row, first, count, out);
}

AVX2 static void q4_K_to_f32_avx2(const uint8_t *row, size_t first, size_t count, float *out) {
  const __m128i low = _mm_set1_epi8(15);
  for (; count >= 32; first += 32, count -= 32, out += 32) {
    const uint8_t *block = row + first / 256 * q4_K_bytes;
    size_t j = first / 32 % 8;
    uint8_t scale, minimum;
    q4_K_scale(block + 4, j, &scale, &minimum);
    __m256 d = _mm256_set1_ps(_cvtsh_ss(load_u16(block)) * scale), m = _mm256_set1_ps(_cvtsh_ss(load_u16(block + 2)) * minimum);
    const uint8_t *q = block + 16 + j / 2 * 32;
    for (int i = 0; i < 4; i++) {
      __m128i bytes = _mm_loadl_epi64((const __m128i *)(q + 8 * i));
      if (j % 2) bytes = _mm_srli_epi16(bytes, 4);
      __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_and_si128(bytes, low)));
      _mm256_storeu_ps(out + 8 * i, _mm256_sub_ps(_mm256_mul_ps(d, value), m));
    }
  }
  q4_K_to_f32_scalar(row, first, count, out);
}

AVX2 static void f16_from_f32_avx2(const float *x, size_t count, uint8_t *out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128((__m128i *)(out + i * 2), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  f16_from_f32_scalar(x + i, count - i, out + i * 2);
}

AVX2 static void bf16_from_f32_avx2(const float *x, size_t count, uint8_t *out) {
  const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff), quiet = _mm256_set1_epi32(0x400000);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 value = _mm256_loadu_ps(x + i);
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(half, odd));
    __m256 nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
    __m256i chosen = _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, quiet), _mm256_castps_si256(nan));
    chosen = _mm256_srli_epi32(chosen, 16);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(chosen, chosen), 0x08);
    _mm_storeu_si128((__m128i *)(out + i * 2), _mm256_castsi256_si128(packed));
  }
  bf16_from_f32_scalar(x + i, count - i, out + i * 2);
}

// MARK: AVX-512

#define AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))

AVX512 static void f16_to_f32_avx512(const uint8_t *row, size_t first, size_t count, float *out) {
  const uint8_t *x = row + first * 2;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i * 2))));
  f16_to_f32_avx2(x, i, count - i, out + i);
}

AVX512 static void bf16_to_f32_avx512(const uint8_t *row, size_t first, size_t count, float *out) {
  const uint8_t *x = row + first * 2;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(x + i * 2)));
    _mm512_storeu_si512(out + i, _mm512_slli_epi32(wide, 16));
  }
  bf16_to_f32_avx2(x, i, count - i, out + i);
}

AVX512 static void q8_0_to_f32_avx512(const uint8_t *row, size_t first, size_t count, float *out) {
  for (; count >= 32; first += 32, count -= 32, out += 32) {
    const uint8_t *block = row + first / 32 * q8_0_bytes;
    __m512 d = _mm512_set1_ps(_cvtsh_ss(load_u16(block)));
    for (int i = 0; i < 2; i++) {
      __m512i q = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(block + 2 + 16 * i)));
      _mm512_storeu_ps(out + 16 * i, _mm512_mul_ps(_mm512_cvtepi32_ps(q), d));
    }
  }
  q8_0_to_f32_scalar(row, first, count, out);
}

AVX512 static void q4_K_to_f32_avx512(const uint8_t *row, size_t first, size_t count, float *out) {
  const __m512i low = _mm512_set1_epi32(15);
  for (; count >= 32; first += 32, count -= 32, out += 32) {
    const uint8_t *block = row + first / 256 * q4_K_bytes;
    size_t j = first / 32 % 8;
    uint8_t scale, minimum;
    q4_K_scale(block + 4, j, &scale, &minimum);
    __m512 d = _mm512_set1_ps(_cvtsh_ss(load_u16(block)) * scale), m = _mm512_set1_ps(_cvtsh_ss(load_u16(block + 2)) * minimum);
    const uint8_t *q = block + 16 + j / 2 * 32;
    __m128i shift = _mm_cvtsi32_si128(j % 2 ? 4 : 0);
    for (int i = 0; i < 2; i++) {
      __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(q + 16 * i)));
      __m512 value = _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srl_epi32(bytes, shift), low));
      _mm512_storeu_ps(out + 16 * i, _mm512_sub_ps(_mm512_mul_ps(d, value), m));
    }
  }
  q4_K_to_f32_scalar(row, first, count, out);
}

AVX512 static void f16_from_f32_avx512(const float *x, size_t count, uint8_t *out) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm256_storeu_si256((__m256i *)(out + i * 2), _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  f16_from_f32_avx2(x + i, count - i, out + i * 2);
}

AVX512 static void bf16_from_f32_avx512(const float *x, size_t count, uint8_t *out) {
  const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff), quiet = _mm512_set1_epi32(0x400000);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m512 value = _mm512_loadu_ps(x + i);
    __m512i bits = _mm512_castps_si512(value);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(half, odd));
    __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, quiet);
    _mm256_storeu_si256((__m256i *)(out + i * 2), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
  bf16_from_f32_avx2(x + i, count - i, out + i * 2);
}

#define LEVELS(name) {name##_scalar, name##_avx2, name##_avx512, name##_avx512}
#else
#define LEVELS(name) {name##_scalar, name##_scalar, name##_scalar, name##_scalar}
#endif

// i32 has no float form here; its entries stay empty and the callers' checks keep it out.
static const to_f32 readers[6][4] = {
    [hoof_type_f32] = {f32_to_f32, f32_to_f32, f32_to_f32, f32_to_f32},
    [hoof_type_f16] = LEVELS(f16_to_f32),
    [hoof_type_bf16] = LEVELS(bf16_to_f32),
    [hoof_type_q8_0] = LEVELS(q8_0_to_f32),
    [hoof_type_q4_K] = LEVELS(q4_K_to_f32),
};

static const from_f32 writers[3][4] = {
    [hoof_type_f32] = {f32_from_f32, f32_from_f32, f32_from_f32, f32_from_f32},
    [hoof_type_f16] = LEVELS(f16_from_f32),
    [hoof_type_bf16] = LEVELS(bf16_from_f32),
};

void hoof_row_to_f32(enum hoof_simd simd, enum hoof_type type, const void *row, size_t first, size_t count, float *out) {
  readers[type][simd](row, first, count, out);
}

void hoof_row_from_f32(enum hoof_simd simd, enum hoof_type type, const float *x, size_t count, void *out) {
  writers[type][simd](x, count, out);
}
