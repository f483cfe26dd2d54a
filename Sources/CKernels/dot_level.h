// The dot products of dot.c for one instruction set; see there. LEVEL, LANES and CHUNK (rows of x taken together: what the registers
// hold) are defined by the includer.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(x) JOIN(x, LEVEL)
#define VECTOR NAME(vector)
#define INLINE static inline __attribute__((always_inline))
#define SUMS 4
#define VECTORS (32 / LANES)

typedef float VECTOR __attribute__((ext_vector_type(LANES)));
typedef float NAME(loose) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));

/// What the eight sub-blocks of a super-block are multiplied by and lowered by.
INLINE void NAME(unpack)(const uint8_t *block, struct scales *scales) {
#if LANES > 4
  uint32_t a, b, c;
  memcpy(&a, block + 4, 4);
  memcpy(&b, block + 8, 4);
  memcpy(&c, block + 12, 4);
  uint64_t high = (uint64_t)((c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4);
  uint64_t high_minima = (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4);
  __m128i steps = _mm_cvtsi64_si128((long long)((a & 0x3f3f3f3f) | high << 32));
  __m128i minima = _mm_cvtsi64_si128((long long)((b & 0x3f3f3f3f) | high_minima << 32));
  __m256 d = _mm256_set1_ps(_cvtsh_ss(load_u16(block))), m = _mm256_set1_ps(_cvtsh_ss(load_u16(block + 2)));
  _mm256_storeu_ps(scales->step, _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(steps))));
  _mm256_storeu_ps(scales->offset, _mm256_mul_ps(m, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(minima))));
#else
  float d = half_to_float(load_u16(block)), m = half_to_float(load_u16(block + 2));
  for (size_t j = 0; j < 8; j++) {
    uint8_t scale, minimum;
    q4_K_scale(block + 4, j, &scale, &minimum);
    scales->step[j] = d * scale;
    scales->offset[j] = m * minimum;
  }
#endif
}

/// 32 weights from element k on, as floats.
INLINE void NAME(widen)(const enum hoof_type type, const uint8_t *row, size_t k, const struct scales *scales, VECTOR *w) {
#if LANES == 4
  _Alignas(16) float line[32];
  hoof_row_to_f32(hoof_simd_scalar, type, row, k, 32, line);
  for (int v = 0; v < VECTORS; v++) w[v] = *(const VECTOR *)(const void *)(line + v * LANES);
  (void)scales;
#else
  if (type == hoof_type_f32) {
    for (int v = 0; v < VECTORS; v++) w[v] = *(const NAME(loose) *)(const void *)(row + (k + (size_t)(v * LANES)) * 4);
  } else if (type == hoof_type_q8_0) {
    const uint8_t *block = row + k / 32 * q8_0_bytes;
    float d = _cvtsh_ss(load_u16(block));
    for (int v = 0; v < VECTORS; v++) {
      const uint8_t *q = block + 2 + v * LANES;
#if LANES == 16
      w[v] = (VECTOR)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)q))) * (VECTOR)(d);
#else
      w[v] = (VECTOR)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)q))) * (VECTOR)(d);
#endif
    }
  } else if (type == hoof_type_q4_K) {
    const uint8_t *block = row + k / 256 * q4_K_bytes;
    size_t j = k / 32 % 8;
    const uint8_t *q = block + 16 + j / 2 * 32;
#if LANES == 16
    // All sixteen values a sub-block can hold, looked up by the low four bits of each lane.
    const VECTOR levels = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    __m512 table = (__m512)(levels * (VECTOR)(scales->step[j]) - (VECTOR)(scales->offset[j]));
#endif
    for (int v = 0; v < VECTORS; v++) {
#if LANES == 16
      __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(q + v * LANES)));
      if (j % 2) index = _mm512_srli_epi32(index, 4);
      w[v] = (VECTOR)_mm512_permutexvar_ps(index, table);
#else
      __m256i level = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(q + v * LANES)));
      level = j % 2 ? _mm256_srli_epi32(level, 4) : _mm256_and_si256(level, _mm256_set1_epi32(15));
      w[v] = (VECTOR)_mm256_cvtepi32_ps(level) * (VECTOR)(scales->step[j]) - (VECTOR)(scales->offset[j]);
#endif
    }
  } else {
    for (int v = 0; v < VECTORS; v++) {
      const uint8_t *p = row + (k + (size_t)(v * LANES)) * 2;
#if LANES == 16
      __m256i half = _mm256_loadu_si256((const __m256i *)p);
      w[v] = type == hoof_type_f16 ? (VECTOR)_mm512_cvtph_ps(half) : (VECTOR)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
#else
      __m128i half = _mm_loadu_si128((const __m128i *)p);
      w[v] = type == hoof_type_f16 ? (VECTOR)_mm256_cvtph_ps(half) : (VECTOR)_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
#endif
    }
  }
#endif
}

INLINE void NAME(add)(const int rows, const int segment, const float *x, size_t padded, const VECTOR *w, VECTOR sums[CHUNK][SUMS]) {
  _Pragma("unroll") for (int v = 0; v < VECTORS; v++) {
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      VECTOR *sum = &sums[m][(segment * VECTORS + v) % SUMS];
      *sum = w[v] * *(const NAME(loose) *)(x + (size_t)m * padded + v * LANES) + *sum;
    }
  }
}

/// Halves folded onto each other, always in this order.
INLINE float NAME(total)(const VECTOR *sums) {
  _Alignas(64) float lane[LANES];
  *(VECTOR *)(void *)lane = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  _Pragma("unroll") for (int half = LANES / 2; half > 0; half /= 2) {
    _Pragma("unroll") for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  }
  return lane[0];
}

INLINE void NAME(row)(
    const enum hoof_type type, const int rows, const float *x, size_t padded, const uint8_t *row, size_t columns, float beta, float *out,
    size_t stride) {
  VECTOR sums[CHUNK][SUMS], w[VECTORS];
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    _Pragma("unroll") for (int s = 0; s < SUMS; s++) sums[m][s] = (VECTOR)(0.0f);
  }
  struct scales scales;
  // Quantised rows are whole blocks long; of dense ones the last few elements are copied out, lest the next page be touched.
  const int blocked = type == hoof_type_q8_0 || type == hoof_type_q4_K;
  size_t k = 0;
  for (; k + 256 <= columns; k += 256) {
    if (type == hoof_type_q4_K) NAME(unpack)(row + k / 256 * q4_K_bytes, &scales);
    _Pragma("unroll") for (int s = 0; s < 8; s++) {
      NAME(widen)(type, row, k + (size_t)(32 * s), &scales, w);
      NAME(add)(rows, s, x + k + 32 * s, padded, w, sums);
    }
  }
  if (k < columns && type == hoof_type_q4_K) NAME(unpack)(row + k / 256 * q4_K_bytes, &scales);
  for (int s = 0; k < columns; k += 32, s++) {
    if (blocked || k + 32 <= columns) {
      NAME(widen)(type, row, k, &scales, w);
    } else {
      _Alignas(64) float line[32] = {0};
      hoof_row_to_f32(hoof_simd_scalar, type, row, k, columns - k, line);
      for (int v = 0; v < VECTORS; v++) w[v] = *(const VECTOR *)(const void *)(line + v * LANES);
    }
    // The parity of the segment chooses the sums, as in the unrolled loop.
    if (s % 2) {
      NAME(add)(rows, 1, x + k, padded, w, sums);
    } else {
      NAME(add)(rows, 0, x + k, padded, w, sums);
    }
  }
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    float *p = out + (size_t)m * stride, sum = NAME(total)(sums[m]);
    *p = beta == 0 ? sum : beta * *p + sum;
  }
}

/// One function for each type and number of rows: both are constants inside.
#define DOT(kind, count) \
  static void NAME(dot_##kind##_##count)( \
      const float *x, size_t padded, const uint8_t *row, size_t columns, float beta, float *out, size_t stride) { \
    NAME(row)(hoof_type_##kind, count, x, padded, row, columns, beta, out, stride); \
  }
#if CHUNK == 4
#define DOTS(kind) DOT(kind, 1) DOT(kind, 2) DOT(kind, 3) DOT(kind, 4)
#define ENTRY(kind) \
  [hoof_type_##kind] = {NAME(dot_##kind##_1), NAME(dot_##kind##_2), NAME(dot_##kind##_3), NAME(dot_##kind##_4)}
#else
#define DOTS(kind) DOT(kind, 1) DOT(kind, 2)
#define ENTRY(kind) [hoof_type_##kind] = {NAME(dot_##kind##_1), NAME(dot_##kind##_2)}
#endif
DOTS(f32) DOTS(f16) DOTS(bf16) DOTS(q8_0) DOTS(q4_K)

typedef void (*NAME(function))(const float *, size_t, const uint8_t *, size_t, float, float *, size_t);
static const NAME(function) NAME(functions)[6][CHUNK] = {ENTRY(f32), ENTRY(f16), ENTRY(bf16), ENTRY(q8_0), ENTRY(q4_K)};

static void NAME(dot)(
    enum hoof_type type, const float *x, size_t padded, size_t rows, const uint8_t *b, size_t row_bytes, size_t columns, size_t first,
    size_t end, float beta, float *out, size_t stride) {
  for (size_t n = first; n < end; n++) {
    // The weights come from memory for the first rows and from the cache for the others.
    for (size_t m = 0; m < rows; m += CHUNK) {
      size_t count = rows - m < CHUNK ? rows - m : CHUNK;
      NAME(functions)[type][count - 1](x + m * padded, padded, b + n * row_bytes, columns, beta, out + m * stride + n, stride);
    }
  }
}

#undef JOIN2
#undef JOIN
#undef NAME
#undef VECTOR
#undef INLINE
#undef SUMS
#undef VECTORS
#undef DOT
#undef DOTS
#undef ENTRY
#undef LEVEL
#undef LANES
#undef CHUNK
