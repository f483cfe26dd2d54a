// Products with q8_0 and q4_K weights by AVX-512 VNNI, for dot.c. Weights stay bytes: 256 activations at a time become fixed-point numbers
// of 22 bits (q4_K: 23) and a sign over one power of two, each cut into three signed bytes, q1·2^16 + q2·2^8 + q3. Three chained dot
// products of bytes then give the exact integer sum of four products in every lane. What is rounded is the activation, by at most 2^-22
// (q4_K: 2^-23) of the largest of its 256: products come out at a relative squared error of 1e-13, or 5e-12 where one activation in 1000 is
// 300 times larger than the rest; floats at 2e-14 to 2e-13. Two levels would be a tenth faster at 5e-9. No unit is below
// 2^-126, so activations that are all smaller than 2^-104 lose bits.

enum {
  vnni_level = 256,  // bytes of one level
  vnni_tail = 192,   // floats before what follows the three levels: lane corrections (q8_0) or sums over sub-blocks (q4_K)
};

/// One super-block of weights is 4 vectors of bytes, in this order of its 16-element pieces: q4_K keeps two sub-blocks in each byte.
static inline size_t vnni_place(enum hoof_type type, size_t i) {
  return type == hoof_type_q4_K ? (i & 128) | (i & 32) << 1 | (i & 64) >> 1 | (i & 31) : i;
}

/// Sum over lanes of four products, weights unsigned, for the three levels of x at q.
static inline __attribute__((always_inline)) __m512i vnni_sums(__m512i w, const uint8_t *q) {
  __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, _mm512_loadu_si512(q));
  sum = _mm512_dpbusd_epi32(_mm512_slli_epi32(sum, 8), w, _mm512_loadu_si512(q + vnni_level));
  return _mm512_dpbusd_epi32(_mm512_slli_epi32(sum, 8), w, _mm512_loadu_si512(q + 2 * vnni_level));
}

/// 256 activations as 1024 bytes; returns the value of one unit. An infinity or NaN makes it, and so every sum, NaN.
static float vnni_pack(enum hoof_type type, const float *x, float *out) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  for (size_t i = 0; i < 256; i += 16) largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(x + i), magnitude));
  const uint32_t max = _mm512_reduce_max_epu32(largest);
  // Four products of the largest unit with -128 must fit 32 bits; three signed bytes hold 0x7f7f7f.
  const int bits = type == hoof_type_q8_0 ? 22 : 23;
  const float limit = type == hoof_type_q8_0 ? 0x3fffff : 0x7f7f7f;
  int exponent = (int)(max >> 23) + 1 - bits;
  if (exponent < 1) exponent = 1;
  if (bits_to_float(max) * bits_to_float((uint32_t)(254 - exponent) << 23) > limit) exponent++;
  const __m512 inverse = _mm512_set1_ps(bits_to_float((uint32_t)(254 - exponent) << 23));

  uint8_t *q = (uint8_t *)out;
  for (size_t i = 0; i < 256; i += 16) {
    __m512i units = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
    uint8_t *piece = q + vnni_place(type, i);
    _mm_storeu_si128((__m128i *)(piece + 2 * vnni_level), _mm512_cvtepi32_epi8(units));
    // A byte from 128 on means itself minus 256, so the one above is one more.
    units = _mm512_srai_epi32(_mm512_add_epi32(units, _mm512_set1_epi32(128)), 8);
    _mm_storeu_si128((__m128i *)(piece + vnni_level), _mm512_cvtepi32_epi8(units));
    units = _mm512_srai_epi32(_mm512_add_epi32(units, _mm512_set1_epi32(128)), 8);
    _mm_storeu_si128((__m128i *)piece, _mm512_cvtepi32_epi8(units));
  }
  if (type == hoof_type_q4_K) {
    for (size_t j = 0; j < 8; j++) {
      out[vnni_tail + j] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_loadu_ps(x + 32 * j), _mm512_loadu_ps(x + 32 * j + 16)));
    }
  } else {
    // Signed weights are read as unsigned ones that are 128 too large.
    for (size_t g = 0; g < 4; g++) {
      __m512i excess = vnni_sums(_mm512_set1_epi8((char)0x80), q + 64 * g);
      _mm512_storeu_si512(out + vnni_tail + 16 * g, _mm512_sub_epi32(_mm512_setzero_si512(), excess));
    }
  }
  return bits_to_float(max >= 0x7f800000 ? 0x7fc00000 : (uint32_t)exponent << 23);
}

static void prepare_vnni(enum hoof_type type, const float *x, size_t columns, float *out) {
  if (type != hoof_type_q8_0 && type != hoof_type_q4_K) {
    prepare_avx512(type, x, columns, out);
    return;
  }
  const size_t padded = (columns + 255) / 256 * 256;
  for (size_t k = 0; k < padded; k += 256) {
    float block[256] = {0};
    memcpy(block, x + k, (columns - k < 256 ? columns - k : 256) * sizeof(float));
    out[padded + k / 32] = vnni_pack(type, block, out + k);
  }
}

static inline __attribute__((always_inline)) void vnni_ask(const uint8_t *weights, size_t ahead, size_t bytes) {
  _Pragma("unroll") for (size_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch((const void *)((uintptr_t)weights + ahead + line));
  }
}

/// Adds a super-block of q8_0, of whose 8 blocks the last of a row may lack some: those are not read.
static inline __attribute__((always_inline)) void vnni_q8_0_block(
    const int rows, const size_t blocks, const float *x, const float *units, size_t x_stride, const uint8_t *row, __m512 *sum) {
  const __m512i flip = _mm512_set1_epi8((char)0x80);
  __m512 part[2];
  _Pragma("unroll") for (int m = 0; m < rows; m++) part[m] = _mm512_setzero_ps();
  _Pragma("unroll") for (size_t g = 0; g < 4; g++) {
    if (blocks <= 2 * g) break;
    const uint8_t *first = row + 2 * g * q8_0_bytes, *second = blocks > 2 * g + 1 ? first + q8_0_bytes : first;
    __m512i w = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(first + 2)));
    w = _mm512_xor_si512(_mm512_inserti64x4(w, _mm256_loadu_si256((const __m256i *)(second + 2)), 1), flip);
    __m256i halves = _mm256_set1_epi16((short)load_u16(first));
    __m512 d = _mm512_cvtph_ps(_mm256_mask_set1_epi16(halves, 0xff00, (short)load_u16(second)));
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      const float *in = x + (size_t)m * x_stride;
      __m512i s = vnni_sums(w, (const uint8_t *)in + 64 * g);
      s = _mm512_add_epi32(s, _mm512_loadu_si512(in + vnni_tail + 16 * g));
      part[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), d, part[m]);
    }
  }
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    sum[m] = _mm512_fmadd_ps(part[m], _mm512_set1_ps(units[(size_t)m * x_stride]), sum[m]);
  }
}

static inline __attribute__((always_inline)) void vnni_q8_0(
    const int rows, const float *x, const float *units, size_t x_stride, const uint8_t *row, size_t ahead, size_t columns, float *sums) {
  __m512 sum[2];
  _Pragma("unroll") for (int m = 0; m < rows; m++) sum[m] = _mm512_setzero_ps();
  size_t k = 0;
  for (; k + 224 < columns; k += 256, row += 8 * q8_0_bytes) {
    vnni_ask(row, ahead, 8 * q8_0_bytes);
    vnni_q8_0_block(rows, 8, x + k, units + k / 32, x_stride, row, sum);
  }
  if (k < columns) vnni_q8_0_block(rows, (columns - k + 31) / 32, x + k, units + k / 32, x_stride, row, sum);
  _Pragma("unroll") for (int m = 0; m < rows; m++) sums[m] = _mm512_reduce_add_ps(sum[m]);
}

static inline __attribute__((always_inline)) void vnni_q4_K(
    const int rows, const float *x, const float *units, size_t x_stride, const uint8_t *row, size_t ahead, size_t columns, float *sums) {
  typedef int lanes __attribute__((ext_vector_type(16)));
#define PAIR(a, b) ((__m512i)(lanes){a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b})
  const __m512i pairs[4] = {PAIR(0, 2), PAIR(1, 3), PAIR(4, 6), PAIR(5, 7)};
#undef PAIR
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512 sum[2];
  __m256 lowered[2];
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    sum[m] = _mm512_setzero_ps();
    lowered[m] = _mm256_setzero_ps();
  }
  for (size_t k = 0; k < columns; k += 256, row += q4_K_bytes) {
    vnni_ask(row, ahead, q4_K_bytes);
    __m256 steps, minima;
    q4_K_steps(row, &steps, &minima);
    __m512 part[2];
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      lowered[m] = _mm256_fmadd_ps(minima, _mm256_loadu_ps(x + (size_t)m * x_stride + k + vnni_tail), lowered[m]);
      part[m] = _mm512_setzero_ps();
    }
    _Pragma("unroll") for (size_t v = 0; v < 4; v++) {
      __m512i w = _mm512_loadu_si512(row + 16 + 64 * (v / 2));
      w = _mm512_and_si512(v % 2 ? _mm512_srli_epi16(w, 4) : w, nibble);
      __m512 step = _mm512_permutexvar_ps(pairs[v], _mm512_castps256_ps512(steps));
      _Pragma("unroll") for (int m = 0; m < rows; m++) {
        __m512i s = vnni_sums(w, (const uint8_t *)(x + (size_t)m * x_stride + k) + 64 * v);
        part[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), step, part[m]);
      }
    }
    _Pragma("unroll") for (int m = 0; m < rows; m++) {
      sum[m] = _mm512_fmadd_ps(part[m], _mm512_set1_ps(units[(size_t)m * x_stride + k / 32]), sum[m]);
    }
  }
  _Pragma("unroll") for (int m = 0; m < rows; m++) {
    sums[m] = _mm512_reduce_add_ps(sum[m]) - _mm512_reduce_add_ps(_mm512_zextps256_ps512(lowered[m]));
  }
}

typedef void (*vnni_function)(const float *, const float *, size_t, const uint8_t *, size_t, size_t, float *);
#define VNNI(kind, count) \
  static void vnni_##kind##_##count( \
      const float *x, const float *units, size_t x_stride, const uint8_t *row, size_t ahead, size_t columns, float *sums) { \
    vnni_##kind(count, x, units, x_stride, row, ahead, columns, sums); \
  }
VNNI(q8_0, 1) VNNI(q8_0, 2) VNNI(q4_K, 1) VNNI(q4_K, 2)
#undef VNNI

static void dot_vnni(
    enum hoof_type type, const float *x, size_t x_stride, size_t rows, const uint8_t *b, size_t row_bytes, size_t columns, size_t first,
    size_t end, float beta, float *out, size_t stride) {
  if (type != hoof_type_q8_0 && type != hoof_type_q4_K) {
    dot_avx512(type, x, x_stride, rows, b, row_bytes, columns, first, end, beta, out, stride);
    return;
  }
  static const vnni_function functions[2][2] = {{vnni_q8_0_1, vnni_q8_0_2}, {vnni_q4_K_1, vnni_q4_K_2}};
  // As in dot_level.h, but three bytes an element let more of x stay in the first cache.
  enum { part = 8192, together = 32 };
  // Fewer bytes asked for leave memory idle, more push x out of the first cache.
  const size_t distance = type == hoof_type_q8_0 ? 4096 : 8192, padded = (columns + 255) / 256 * 256;
  for (size_t start = first; start < end; start += together) {
    const size_t stop = end - start < together ? end : start + together;
    for (size_t k = 0; k == 0 || k < columns; k += part) {
      const size_t depth = columns - k < part ? columns - k : part, offset = hoof_row_bytes(type, k), length = hoof_row_bytes(type, depth);
      // Of rows in parts the next one read is the same part of a row below.
      const size_t ahead = columns <= part ? distance : (distance + length - 1) / length * row_bytes;
      // Weights come from memory for the first two rows of x and from the second cache for the others; x stays in the first.
      for (size_t m = 0; m < rows; m += 2) {
        const size_t count = rows - m < 2 ? 1 : 2;
        const float *in = x + m * x_stride;
        for (size_t n = start; n < stop; n++) {
          float sums[2];
          functions[type == hoof_type_q4_K][count - 1](
              in + k, in + padded + k / 32, x_stride, b + n * row_bytes + offset, ahead, depth, sums);
          for (size_t i = 0; i < count; i++) {
            float *p = out + (m + i) * stride + n;
            *p = k > 0 ? *p + sums[i] : beta == 0 ? sums[i] : beta * *p + sums[i];
          }
        }
      }
    }
  }
}
