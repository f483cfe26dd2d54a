// The dot products of dot.c for one instruction set; see there. LEVEL, LANES and CHUNK (rows of x taken together: what registers
// and first cache hold) are defined by the includer.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(x) JOIN(x, LEVEL)
#define VECTOR NAME(vector)
#define INLINE static inline __attribute__((always_inline))
#define SUMS 4
#define VECTORS (32 / LANES)

typedef float VECTOR __attribute__((ext_vector_type(LANES)));
typedef float NAME(loose) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));

/// 32 weights from element k on, as floats.
INLINE void NAME(widen)(const enum hoof_type type, const uint8_t *row, size_t k, VECTOR *w) {
#if LANES == 4
  _Alignas(16) float line[32];
  hoof_row_to_f32(hoof_simd_scalar, type, row, k, 32, line);
  for (int v = 0; v < VECTORS; v++) w[v] = *(const VECTOR *)(const void *)(line + v * LANES);
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

INLINE void NAME(add)(const int rows, const int segment, const float *x, size_t x_stride, const VECTOR *w, VECTOR sums[CHUNK][SUMS]) {
  _Pragma("unroll") for (int v = 0; v < VECTORS; v++) {
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      VECTOR *sum = &sums[m][(segment * VECTORS + v) % SUMS];
      *sum = w[v] * *(const NAME(loose) *)(x + (size_t)m * x_stride + v * LANES) + *sum;
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
    const enum hoof_type type, const int rows, const float *x, size_t x_stride, const uint8_t *row, size_t columns, float beta, float *out,
    size_t stride) {
  VECTOR sums[CHUNK][SUMS], w[VECTORS];
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    _Pragma("unroll") for (int s = 0; s < SUMS; s++) sums[m][s] = (VECTOR)(0.0f);
  }
  // Quantised rows are whole blocks long; of dense ones the last few elements are copied out, lest the next page be touched.
  const int blocked = type == hoof_type_q8_0 || type == hoof_type_q4_K;
  size_t k = 0;
  for (; k + 256 <= columns; k += 256) {
    _Pragma("unroll") for (int s = 0; s < 8; s++) {
      NAME(widen)(type, row, k + (size_t)(32 * s), w);
      NAME(add)(rows, s, x + k + 32 * s, x_stride, w, sums);
    }
  }
  for (int s = 0; k < columns; k += 32, s++) {
    if (blocked || k + 32 <= columns) {
      NAME(widen)(type, row, k, w);
    } else {
      _Alignas(64) float line[32] = {0};
      hoof_row_to_f32(hoof_simd_scalar, type, row, k, columns - k, line);
      for (int v = 0; v < VECTORS; v++) w[v] = *(const VECTOR *)(const void *)(line + v * LANES);
    }
    // The parity of the segment chooses the sums, as in the unrolled loop.
    if (s % 2) {
      NAME(add)(rows, 1, x + k, x_stride, w, sums);
    } else {
      NAME(add)(rows, 0, x + k, x_stride, w, sums);
    }
  }
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    float *p = out + (size_t)m * stride, sum = NAME(total)(sums[m]);
    *p = beta == 0 ? sum : beta * *p + sum;
  }
}

#if LANES > 4
/// q4_K, without spreading bytes to lanes: a vector of 8 or 16 words holds one or two pairs of sub-blocks, and shifting it by 4·t brings
/// nibble t of each word to the bottom. `prepare` has put x in that order. Levels are summed against x as they are, then scaled; minima
/// meet the sums of x over sub-blocks, which `prepare` left behind the row.
INLINE void NAME(row_q4_K)(
    const int rows, const float *x, const float *sums_of_x, size_t x_stride, const uint8_t *row, size_t columns, float beta, float *out, size_t stride) {
  enum { groups = 32 / LANES };
  const size_t blocks = (columns + 255) / 256;
  VECTOR even[CHUNK], odd[CHUNK];
  __m256 lowered[CHUNK];
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    even[m] = odd[m] = (VECTOR)(0.0f);
    lowered[m] = _mm256_setzero_ps();
  }
  for (size_t b = 0; b < blocks; b++, row += q4_K_bytes) {
    __m256 steps, minima;
    q4_K_steps(row, &steps, &minima);
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      const float *sums = sums_of_x + (size_t)m * x_stride + b * 8;
      lowered[m] = _mm256_fmadd_ps(minima, _mm256_loadu_ps(sums), lowered[m]);
    }
    _Pragma("unroll") for (int g = 0; g < groups; g++) {
      VECTOR sum[CHUNK][2];
      const float *in = x + b * 256 + (size_t)(g * 8 * LANES);
#if LANES == 16
      __m512i words = _mm512_loadu_si512(row + 16 + 64 * g);
      const __m512 levels = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
      __m256i words = _mm256_loadu_si256((const __m256i *)(row + 16 + 32 * g));
#endif
      _Pragma("unroll") for (int t = 0; t < 8; t++) {
#if LANES == 16
        // The permutation looks at the low four bits only: it is the mask and the conversion in one.
        VECTOR level = (VECTOR)_mm512_permutexvar_ps(_mm512_srli_epi32(words, 4 * t), levels);
#else
        VECTOR level = (VECTOR)_mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(words, 4 * t), _mm256_set1_epi32(15)));
#endif
        _Pragma("unroll") for (int m = 0; m < rows; m++) {
          VECTOR value = *(const NAME(loose) *)(in + (size_t)m * x_stride + t * LANES);
          sum[m][t % 2] = t < 2 ? level * value : level * value + sum[m][t % 2];
        }
      }
#if LANES == 16
      const __m512i low = {0, 0, 0, 0, 0x200000002, 0x200000002, 0x200000002, 0x200000002};
      __m512i index = _mm512_add_epi32(low, _mm512_set1_epi32(4 * g));
      VECTOR first = (VECTOR)_mm512_permutexvar_ps(index, _mm512_castps256_ps512(steps));
      VECTOR second = (VECTOR)_mm512_permutexvar_ps(_mm512_add_epi32(index, _mm512_set1_epi32(1)), _mm512_castps256_ps512(steps));
#else
      VECTOR first = (VECTOR)_mm256_permutevar8x32_ps(steps, _mm256_set1_epi32(2 * g));
      VECTOR second = (VECTOR)_mm256_permutevar8x32_ps(steps, _mm256_set1_epi32(2 * g + 1));
#endif
      _Pragma("unroll") for (int m = 0; m < rows; m++) {
        even[m] = sum[m][0] * first + even[m];
        odd[m] = sum[m][1] * second + odd[m];
      }
    }
  }
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    VECTOR sums[SUMS] = {even[m], odd[m], (VECTOR)(0.0f), (VECTOR)(0.0f)};
    float below[8];
    _mm256_storeu_ps(below, lowered[m]);
    float minimum = ((below[0] + below[4]) + (below[1] + below[5])) + ((below[2] + below[6]) + (below[3] + below[7]));
    float *p = out + (size_t)m * stride, sum = NAME(total)(sums) - minimum;
    *p = beta == 0 ? sum : beta * *p + sum;
  }
}
#endif

static void NAME(prepare)(enum hoof_type type, int bytes, const float *x, size_t columns, float *out) {
  (void)bytes;
  size_t padded = (columns + 255) / 256 * 256;
  memcpy(out, x, columns * sizeof(float));
  memset(out + columns, 0, (padded - columns) * sizeof(float));
#if LANES > 4
  if (type != hoof_type_q4_K) return;
  for (size_t b = 0; b < padded / 256; b++) {
    float block[256], *in = out + b * 256;
    memcpy(block, in, sizeof block);
    for (size_t j = 0; j < 8; j++) {
      float sum = 0;
      for (size_t i = 0; i < 32; i++) sum += block[32 * j + i];
      out[padded + 8 * b + j] = sum;
    }
    for (size_t g = 0; g < 32 / LANES; g++) {
      for (size_t t = 0; t < 8; t++) {
        for (size_t lane = 0; lane < LANES; lane++) {
          in[(g * 8 + t) * LANES + lane] = block[g * 8 * LANES + lane / 8 * 64 + t % 2 * 32 + lane % 8 * 4 + t / 2];
        }
      }
    }
  }
#else
  (void)type;
#endif
}

/// One function for each type and number of rows: both are constants inside.
#define DOT(kind, count) \
  static void NAME(dot_##kind##_##count)( \
      const float *x, const float *sums_of_x, size_t x_stride, const uint8_t *row, size_t columns, float beta, float *out, \
      size_t stride) { \
    (void)sums_of_x; \
    NAME(row)(hoof_type_##kind, count, x, x_stride, row, columns, beta, out, stride); \
  }
#if CHUNK == 4
#define DOTS(kind) DOT(kind, 1) DOT(kind, 2) DOT(kind, 3) DOT(kind, 4)
#define ENTRY(kind) \
  [hoof_type_##kind] = {NAME(dot_##kind##_1), NAME(dot_##kind##_2), NAME(dot_##kind##_3), NAME(dot_##kind##_4)}
#else
#define DOTS(kind) DOT(kind, 1) DOT(kind, 2)
#define ENTRY(kind) [hoof_type_##kind] = {NAME(dot_##kind##_1), NAME(dot_##kind##_2)}
#endif
DOTS(f32) DOTS(f16) DOTS(bf16) DOTS(q8_0)
#if LANES == 4
DOTS(q4_K)
#else
#define DOT_Q4_K(count) \
  static void NAME(dot_q4_K_##count)( \
      const float *x, const float *sums_of_x, size_t x_stride, const uint8_t *row, size_t columns, float beta, float *out, \
      size_t stride) { \
    NAME(row_q4_K)(count, x, sums_of_x, x_stride, row, columns, beta, out, stride); \
  }
DOT_Q4_K(1) DOT_Q4_K(2)
#if CHUNK == 4
DOT_Q4_K(3) DOT_Q4_K(4)
#endif
#undef DOT_Q4_K
#endif

typedef void (*NAME(function))(const float *, const float *, size_t, const uint8_t *, size_t, float, float *, size_t);
static const NAME(function) NAME(functions)[6][CHUNK] = {ENTRY(f32), ENTRY(f16), ENTRY(bf16), ENTRY(q8_0), ENTRY(q4_K)};

static void NAME(dot)(
    enum hoof_type type, int bytes, const float *x, size_t x_stride, size_t rows, const uint8_t *b, size_t row_bytes, size_t columns,
    size_t first, size_t end, float beta, float *out, size_t stride) {
  (void)bytes;
  // x must stay in the first cache while weights stream past it: a longer depth is cut, at fixed places, and summed part by part.
  enum { part = 2048, together = 32 };
  const size_t padded = (columns + 255) / 256 * 256;
  for (size_t start = first; start < end; start += together) {
    const size_t stop = end - start < together ? end : start + together;
    for (size_t k = 0; k == 0 || k < columns; k += part) {
      const size_t depth = columns - k < part ? columns - k : part, offset = hoof_row_bytes(type, k);
      for (size_t n = start; n < stop; n++) {
        // Parts of rows are too short for the hardware to see a stream, so the part two rows on is asked for here.
        if (columns > part && n + 2 < stop) {
          const uint8_t *next = b + (n + 2) * row_bytes + offset;
          for (size_t line = 0; line < hoof_row_bytes(type, depth); line += 64) __builtin_prefetch(next + line);
        }
        // The weights come from memory for the first rows of x and from the cache for the others.
        for (size_t m = 0; m < rows; m += CHUNK) {
          const size_t count = rows - m < CHUNK ? rows - m : CHUNK;
          const float *in = x + m * x_stride;
          NAME(functions)[type][count - 1](
              in + k, in + padded + k / 256 * 8, x_stride, b + n * row_bytes + offset, depth, k == 0 ? beta : 1, out + m * stride + n, stride);
        }
      }
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
