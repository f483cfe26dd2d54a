// LANES rows of quantised weights beside each other, one a lane, for products that take many of them at a time. The includer defines NAME,
// INLINE, LEVEL and LANES.

#define FLOATS NAME(floats)
#define INTS NAME(ints)

typedef float FLOATS __attribute__((ext_vector_type(LANES)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES)));
typedef int32_t NAME(loose_ints) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));

#undef STEP

// One step of the butterfly that transposes 4-byte values, on eight vectors (or LANES, if that is less): swaps the off-diagonal blocks of
// `s` lanes, in each eight lanes by themselves.
#include "butterfly.h"
#define STEP(T, r, s) \
  _Pragma("unroll") for (int i = 0; i < (LANES < 8 ? LANES : 8); i++) { \
    if (i & (s)) continue; \
    T x = r[i], y = r[i + (s)]; \
    r[i] = __builtin_shufflevector(x, y, PATTERN(NEAR, s)); \
    r[i + (s)] = __builtin_shufflevector(x, y, PATTERN(FAR, s)); \
  }

/// Floats of the halves in the low bits of each lane.
INLINE FLOATS NAME(widen)(INTS halves) {
#if LANES == 16
  return (FLOATS)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)halves));
#elif LANES == 8
  typedef uint16_t eight __attribute__((ext_vector_type(8)));
  return (FLOATS)_mm256_cvtph_ps((__m128i)__builtin_convertvector(halves, eight));
#else
  FLOATS wide;
  for (int i = 0; i < LANES; i++) wide[i] = half_to_float((uint16_t)halves[i]);
  return wide;
#endif
}

/// Four bytes of each column.
INLINE INTS NAME(gather)(const uint8_t *const *columns, size_t offset) {
  int32_t words[LANES];
  _Pragma("unroll") for (int i = 0; i < LANES; i++) memcpy(words + i, columns[i] + offset, 4);
  return *(const NAME(loose_ints) *)words;
}

/// 32 bytes of each column: words[t] are bytes 4·t ... 4·t + 3 of all.
INLINE void NAME(deal)(const uint8_t *const *columns, size_t offset, INTS *words) {
#if LANES == 4
  for (size_t t = 0; t < 8; t++) words[t] = NAME(gather)(columns, offset + 4 * t);
#else
  _Pragma("unroll") for (int i = 0; i < 8; i++) {
#if LANES == 16
    __m512i both = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(columns[i] + offset)));
    words[i] = (INTS)_mm512_inserti64x4(both, _mm256_loadu_si256((const __m256i *)(columns[i + 8] + offset)), 1);
#else
    words[i] = (INTS)_mm256_loadu_si256((const __m256i *)(columns[i] + offset));
#endif
  }
  STEP(INTS, words, 1)
  STEP(INTS, words, 2)
  STEP(INTS, words, 4)
#endif
}
