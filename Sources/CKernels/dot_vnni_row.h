// One row of activations with q8_0 and q4_K weights by AVX-512 VNNI, two bytes an activation, for dot_vnni.h. Each row of weights is read from
// its beginning to its end, as it lies in memory, which the processor looks ahead on best; 64 weights meet their activations at a time and are
// added across lanes once a row. Takes what prepare_vnni makes. One core, from memory that it reads at 13.6 GB/s: q8_0 and q4_K 12.5 to 13.1,
// where rows beside each other give 10.9 to 11.5 and lose more where a worker's piece begins, which nobody asked for ahead.

enum {
  /// Bytes between what is multiplied and what is asked for.
  vnni_row_ahead = 4096,
};

/// The 8 steps of a super-block times the value of a unit: each of two in one half, from the first on.
INLINE __m512 vnni_row_steps(__m512 steps, int first) {
  const __m512i halves = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(1), 1);
  return _mm512_permutexvar_ps(_mm512_add_epi32(halves, _mm512_set1_epi32(first)), steps);
}

/// Σ of 64 unsigned weights times the activations whose high bytes are at q and low ones a level further.
INLINE __m512 vnni_row_sums(__m512i w, const uint8_t *q) {
  const __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, _mm512_loadu_si512(q));
  return _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_slli_epi32(high, 8), w, _mm512_loadu_si512(q + vnni_level)));
}

/// 256 weights of q4_K; `low` takes what their minima take away.
INLINE void vnni_row_q4_K(const uint8_t *block, const float *x, float unit, __m512 *sum, __m256 *low) {
  __m256 steps, minima;
  q4_K_steps(block, &steps, &minima);
  *low = _mm256_fnmadd_ps(minima, _mm256_loadu_ps(x + vnni_tail), *low);
  const __m512 factors = _mm512_castps256_ps512(_mm256_mul_ps(steps, _mm256_set1_ps(unit)));
  // Low nibbles are one sub-block, high ones the next.
  const __m512i shifts = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
  _Pragma("unroll") for (int j = 0; j < 4; j++) {
    const __m512i both = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(block + 16 + 32 * j)));
    const __m512i w = _mm512_and_si512(_mm512_srlv_epi16(both, shifts), _mm512_set1_epi8(15));
    sum[j % 2] = _mm512_fmadd_ps(vnni_row_sums(w, (const uint8_t *)x + 64 * j), vnni_row_steps(factors, 2 * j), sum[j % 2]);
  }
}

/// Up to 256 weights of q8_0, in pairs of blocks; a last block without a neighbour is read twice, and counts once.
INLINE void vnni_row_q8_0(const uint8_t *block, const size_t blocks, const float *x, float unit, __m512 *sum, __m256 *low) {
  uint16_t halves[8] = {0};
  _Pragma("unroll") for (size_t g = 0; g < 8; g++) if (g < blocks) halves[g] = load_u16(block + g * q8_0_bytes);
  const __m256 steps = _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves)), _mm256_set1_ps(unit));
  // Weights are read as unsigned ones that are 128 too large.
  const __m256i *corrections = (const __m256i *)(x + vnni_tail);
  const __m256i correction = _mm256_add_epi32(_mm256_slli_epi32(_mm256_loadu_si256(corrections), 8), _mm256_loadu_si256(corrections + 1));
  *low = _mm256_fmadd_ps(steps, _mm256_cvtepi32_ps(correction), *low);
  const __m512 factors = _mm512_zextps256_ps512(steps);
  _Pragma("unroll") for (size_t g = 0; g < 8; g += 2) {
    if (g >= blocks) continue;
    const uint8_t *first = block + g * q8_0_bytes + 2, *second = g + 1 < blocks ? first + q8_0_bytes : first;
    const __m512i one = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)first));
    const __m512i w = _mm512_inserti64x4(one, _mm256_loadu_si256((const __m256i *)second), 1);
    sum[g / 2 % 2] = _mm512_fmadd_ps(
        vnni_row_sums(_mm512_xor_si512(w, _mm512_set1_epi8((char)0x80)), (const uint8_t *)x + 32 * g), vnni_row_steps(factors, (int)g),
        sum[g / 2 % 2]);
  }
}

INLINE float vnni_row(const enum hoof_type type, const float *x, const uint8_t *row, size_t columns) {
  const size_t padded = (columns + 255) / 256 * 256, bytes = type == hoof_type_q4_K ? q4_K_bytes : 8 * q8_0_bytes;
  __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  __m256 low = _mm256_setzero_ps();
  for (size_t k = 0; k < columns; k += 256, row += bytes) {
    _Pragma("unroll") for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(row + vnni_row_ahead + line, 0, 3);
    const float unit = x[padded + k / 32];
    const size_t blocks = (columns - k + 31) / 32;
    if (type == hoof_type_q4_K) {
      vnni_row_q4_K(row, x + k, unit, sum, &low);
    } else if (blocks >= 8) {
      vnni_row_q8_0(row, 8, x + k, unit, sum, &low);
    } else if (blocks == 4) {
      vnni_row_q8_0(row, 4, x + k, unit, sum, &low);
    } else {
      vnni_row_q8_0(row, blocks, x + k, unit, sum, &low);
    }
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_zextps256_ps512(low)));
}

#define VNNI(kind) \
  static void vnni_row_##kind##_2( \
      const float *x, const uint8_t *b, size_t row_bytes, size_t columns, size_t first, size_t end, float beta, float *out) { \
    for (size_t n = first; n < end; n++) { \
      const float value = vnni_row(hoof_type_##kind, x, b + n * row_bytes, columns); \
      out[n] = beta == 0 ? value : beta * out[n] + value; \
    } \
  }
VNNI(q8_0) VNNI(q4_K)
#undef VNNI
