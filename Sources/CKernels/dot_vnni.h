// Products with q8_0 and q4_K weights by AVX-512 VNNI, for dot.c. Weights stay bytes: 256 activations at a time become fixed-point numbers of
// 23 (or 15) bits and a sign over one unit, each cut into three (or two) signed bytes, q1·2^16 + q2·2^8 + q3. Rows of weights lie beside
// each other, one a lane, and meet each byte of an activation in all lanes, so sums over 32 weights and their steps stay in their lane.
// What is rounded is the activation, by at most 2^-23 of the largest of its 256: products come out at a relative squared error of 1e-13,
// or 5e-12 where one activation in 1000 is 300 times larger than the rest; floats at 2e-14 to 2e-13. Two bytes: by 2^-16 of the largest,
// 7e-10. No unit is below 2^-126 (two bytes: 2^-115), so activations that are all smaller than 2^-103 (2^-100) lose bits.

#define LEVEL vnni
#define LANES 16
#define NAME(x) x##_vnni
#define INLINE static inline __attribute__((always_inline))
#include "deal_level.h"

enum {
  vnni_level = 256,  // bytes of one level
  vnni_tail = 192,   // floats before what follows the three levels: corrections of each level of 8 blocks (q8_0), sums over 8 sub-blocks (q4_K)
};

/// 256 activations as 1024 bytes; returns the value of one unit. An infinity or NaN makes it, and so every sum, NaN.
static float vnni_pack(enum hoof_type type, const size_t levels, const float *x, float *out) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  for (size_t i = 0; i < 256; i += 16) largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(x + i), magnitude));
  const uint32_t max = _mm512_reduce_max_epu32(largest);
  float unit, inverse;
  if (levels == 2) {
    // What two signed bytes hold.
    unit = fmaxf(bits_to_float(max), 0x1p-100f) / 0x7f7f;
    inverse = 1 / unit;
  } else {
    // Units are powers of two here, lest scaling round as well. Three signed bytes hold 0x7f7f7f.
    int exponent = (int)(max >> 23) + 1 - 23;
    if (exponent < 1) exponent = 1;
    if (bits_to_float(max) * bits_to_float((uint32_t)(254 - exponent) << 23) > (float)0x7f7f7f) exponent++;
    unit = bits_to_float((uint32_t)exponent << 23);
    inverse = bits_to_float((uint32_t)(254 - exponent) << 23);
  }

  uint8_t *q = (uint8_t *)out;
  __m512i sums[8] = {0};
  for (size_t i = 0; i < 256; i += 16) {
    __m512i units = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(inverse)));
    // Of the rounded activations, so that a weight's step and minimum meet the same ones.
    sums[i / 32] = _mm512_add_epi32(sums[i / 32], units);
    for (size_t level = levels; level-- > 0;) {
      _mm_storeu_si128((__m128i *)(q + i + level * vnni_level), _mm512_cvtepi32_epi8(units));
      // A byte from 128 on means itself minus 256, so the one above is one more.
      units = _mm512_srai_epi32(_mm512_add_epi32(units, _mm512_set1_epi32(128)), 8);
    }
  }
  if (type == hoof_type_q4_K) {
    for (size_t j = 0; j < 8; j++) out[vnni_tail + j] = (float)_mm512_reduce_add_epi32(sums[j]) * unit;
  } else {
    // Signed weights are read as unsigned ones that are 128 too large.
    const __m256i excess = _mm256_set1_epi8((char)0x80);
    int32_t *corrections = (int32_t *)(out + vnni_tail);
    for (size_t g = 0; g < 8; g++) {
      for (size_t level = 0; level < levels; level++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(q + level * vnni_level + 32 * g));
        __m256i excesses = _mm256_dpbusd_epi32(_mm256_setzero_si256(), excess, bytes);
        corrections[8 * level + g] = -_mm512_reduce_add_epi32(_mm512_zextsi256_si512(excesses));
      }
    }
  }
  return max >= 0x7f800000 ? bits_to_float(0x7fc00000) : unit;
}

static void prepare_vnni(enum hoof_type type, int bytes, const float *x, size_t columns, float *out) {
  if (type != hoof_type_q8_0 && type != hoof_type_q4_K) {
    prepare_avx512(type, bytes, x, columns, out);
    return;
  }
  const size_t padded = (columns + 255) / 256 * 256;
  for (size_t k = 0; k < padded; k += 256) {
    float block[256] = {0};
    memcpy(block, x + k, (columns - k < 256 ? columns - k : 256) * sizeof(float));
    out[padded + k / 32] = vnni_pack(type, (size_t)bytes, block, out + k);
  }
}

/// Σ of 32 unsigned weights a lane times the activations whose first level is at q, in units, of two vectors of rows; the levels' sums start
/// at `start`. Two, because a byte of each activation comes from the cache, which gives half as many as are multiplied.
INLINE void vnni_sums(const size_t levels, INTS w[2][8], const uint8_t *q, const __m512i *start, __m512 *sums) {
  __m512i sum[2][3] = {{start[0], start[1], start[2]}, {start[0], start[1], start[2]}};
  _Pragma("unroll") for (size_t t = 0; t < 8; t++) {
    _Pragma("unroll") for (size_t level = 0; level < levels; level++) {
      int32_t four;
      memcpy(&four, q + level * vnni_level + 4 * t, 4);
      __m512i fours = _mm512_set1_epi32(four);
      // Lest it be read twice.
      __asm__("" : "+v"(fours));
      sum[0][level] = _mm512_dpbusd_epi32(sum[0][level], (__m512i)w[0][t], fours);
      sum[1][level] = _mm512_dpbusd_epi32(sum[1][level], (__m512i)w[1][t], fours);
    }
  }
  _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
    sums[v] = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(sum[v][0], 8), sum[v][1]));
    if (levels == 3) sums[v] = _mm512_fmadd_ps(sums[v], _mm512_set1_ps(256), _mm512_cvtepi32_ps(sum[v][2]));
  }
}

/// The next columns lie behind these, and many short streams at a time are more than hardware looks ahead on.
INLINE void vnni_ask(const uint8_t *ahead, size_t bytes) {
  if (ahead == NULL) return;
  _Pragma("clang loop unroll(full)") for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(ahead + line, 0, 2);
}

/// A super-block of 32 rows of q8_0, of whose 8 blocks the last of a row may lack some: those are not read. part[m] += in units.
INLINE void vnni_q8_0(
    const size_t levels, const size_t rows, const uint8_t *const *column, size_t offset, size_t blocks, const uint8_t *ahead, const float *x,
    size_t x_stride, __m512 part[][2], __m512 sum[][2]) {
  (void)sum;
  for (size_t g = 0; g < blocks; g++, offset += q8_0_bytes) {
    vnni_ask(ahead ? ahead + g * hoof_dot_group * q8_0_bytes : NULL, hoof_dot_group * q8_0_bytes);
    __m512 d[2];
    INTS w[2][8];
    _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
      d[v] = (__m512)NAME(widen)(NAME(gather)(column + v * LANES, offset));
      NAME(deal)(column + v * LANES, offset + 2, w[v]);
      _Pragma("unroll") for (size_t t = 0; t < 8; t++) w[v][t] ^= (INTS)((int)0x80808080);
    }
    for (size_t m = 0; m < rows; m++) {
      const float *in = x + m * x_stride;
      __m512i start[3] = {0};
      _Pragma("unroll") for (size_t level = 0; level < levels; level++) {
        int32_t correction;
        memcpy(&correction, in + vnni_tail + 8 * level + g, 4);
        start[level] = _mm512_set1_epi32(correction);
      }
      __m512 sums[2];
      vnni_sums(levels, w, (const uint8_t *)in + 32 * g, start, sums);
      _Pragma("unroll") for (size_t v = 0; v < 2; v++) part[m][v] = _mm512_fmadd_ps(sums[v], d[v], part[m][v]);
    }
  }
}

/// The same of q4_K; what its minima take away goes into `sum`.
INLINE void vnni_q4_K(
    const size_t levels, const size_t rows, const uint8_t *const *column, size_t offset, size_t blocks, const uint8_t *ahead, const float *x,
    size_t x_stride, __m512 part[][2], __m512 sum[][2]) {
  (void)blocks;
  // Steps and minima of sub-blocks 0 ... 3 and 4 ... 7, one a byte.
  INTS steps[2][2], minima[2][2];
  FLOATS d[2], lowest[2];
  _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
    const uint8_t *const *from = column + v * LANES;
    const INTS scales = NAME(gather)(from, offset), u = NAME(gather)(from, offset + 4), l = NAME(gather)(from, offset + 8);
    const INTS h = NAME(gather)(from, offset + 12);
    steps[v][0] = u & 0x3f3f3f3f;
    steps[v][1] = (h & 0x0f0f0f0f) | (u >> 2 & 0x30303030);
    minima[v][0] = l & 0x3f3f3f3f;
    minima[v][1] = (h >> 4 & 0x0f0f0f0f) | (l >> 2 & 0x30303030);
    d[v] = NAME(widen)(scales & 0xffff);
    lowest[v] = NAME(widen)(scales >> 16 & 0xffff);
  }
  const __m512i none[3] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  for (size_t j = 0; j < 4; j++) {
    vnni_ask(ahead ? ahead + j * hoof_dot_group * q4_K_bytes / 4 : NULL, hoof_dot_group * q4_K_bytes / 4);
    INTS w[2][8];
    _Pragma("unroll") for (size_t v = 0; v < 2; v++) NAME(deal)(column + v * LANES, offset + 16 + 32 * j, w[v]);
    // Low nibbles are one sub-block, high ones the next.
    _Pragma("unroll") for (int high = 0; high < 2; high++) {
      INTS part_of_w[2][8];
      FLOATS factor[2], below[2];
      _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
        const int shift = (int)(j % 2 * 16) + 8 * high;
        factor[v] = d[v] * __builtin_convertvector(steps[v][j / 2] >> shift & 63, FLOATS);
        below[v] = lowest[v] * __builtin_convertvector(minima[v][j / 2] >> shift & 63, FLOATS);
        _Pragma("unroll") for (size_t t = 0; t < 8; t++) part_of_w[v][t] = w[v][t] >> 4 * high & 0x0f0f0f0f;
      }
      for (size_t m = 0; m < rows; m++) {
        const float *in = x + m * x_stride;
        const __m512 total = _mm512_set1_ps(in[vnni_tail + 2 * j + (size_t)high]);
        __m512 sums[2];
        vnni_sums(levels, part_of_w, (const uint8_t *)in + 64 * j + 32 * high, none, sums);
        _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
          part[m][v] = _mm512_fmadd_ps(sums[v], (__m512)factor[v], part[m][v]);
          sum[m][v] = _mm512_fnmadd_ps((__m512)below[v], total, sum[m][v]);
        }
      }
    }
  }
}

/// 32 columns of out, or what is left of them.
INLINE void vnni_columns(
    const enum hoof_type type, const size_t levels, const size_t rows, const float *x, size_t x_stride, const uint8_t *b, size_t row_bytes,
    size_t columns, size_t count, bool more, float beta, float *out, size_t stride) {
  const uint8_t *column[hoof_dot_group];
  // Lanes without a column repeat the last one.
  for (size_t i = 0; i < hoof_dot_group; i++) column[i] = b + (i < count ? i : count - 1) * row_bytes;
  const size_t padded = (columns + 255) / 256 * 256, bytes = type == hoof_type_q4_K ? q4_K_bytes : 8 * q8_0_bytes;
  __m512 sum[hoof_dot_rows][2], part[hoof_dot_rows][2];
  for (size_t m = 0; m < rows; m++) sum[m][0] = sum[m][1] = _mm512_setzero_ps();
  for (size_t k = 0, offset = 0; k < columns; k += 256, offset += bytes) {
    const uint8_t *ahead = more ? b + hoof_dot_group * (row_bytes + offset) : NULL;
    for (size_t m = 0; m < rows; m++) part[m][0] = part[m][1] = _mm512_setzero_ps();
    const size_t blocks = columns - k < 256 ? (columns - k + 31) / 32 : 8;
    if (type == hoof_type_q4_K) {
      vnni_q4_K(levels, rows, column, offset, blocks, ahead, x + k, x_stride, part, sum);
    } else {
      vnni_q8_0(levels, rows, column, offset, blocks, ahead, x + k, x_stride, part, sum);
    }
    for (size_t m = 0; m < rows; m++) {
      const __m512 unit = _mm512_set1_ps(x[m * x_stride + padded + k / 32]);
      _Pragma("unroll") for (size_t v = 0; v < 2; v++) sum[m][v] = _mm512_fmadd_ps(part[m][v], unit, sum[m][v]);
    }
  }
  _Pragma("unroll") for (size_t v = 0; v < 2; v++) {
    if (count <= v * LANES) break;
    const __mmask16 mask = count - v * LANES < LANES ? (__mmask16)((1u << (count - v * LANES)) - 1) : (__mmask16)0xffff;
    for (size_t m = 0; m < rows; m++) {
      float *p = out + m * stride + v * LANES;
      __m512 value = beta == 0 ? sum[m][v] : _mm512_fmadd_ps(_mm512_set1_ps(beta), _mm512_maskz_loadu_ps(mask, p), sum[m][v]);
      _mm512_mask_storeu_ps(p, mask, value);
    }
  }
}

#include "dot_vnni_row.h"

typedef void (*vnni_function)(size_t, const float *, size_t, const uint8_t *, size_t, size_t, size_t, bool, float, float *, size_t);
#define VNNI(kind, levels, name, count) \
  static void vnni_##kind##_##levels##_##name( \
      size_t rows, const float *x, size_t x_stride, const uint8_t *b, size_t row_bytes, size_t columns, size_t wide, bool more, \
      float beta, float *out, size_t stride) { \
    (void)rows; \
    vnni_columns(hoof_type_##kind, levels, count, x, x_stride, b, row_bytes, columns, wide, more, beta, out, stride); \
  }
VNNI(q8_0, 2, some, rows) VNNI(q8_0, 3, one, 1) VNNI(q8_0, 3, some, rows)
VNNI(q4_K, 2, some, rows) VNNI(q4_K, 3, one, 1) VNNI(q4_K, 3, some, rows)
#undef VNNI

static void dot_vnni(
    enum hoof_type type, int bytes, const float *x, size_t x_stride, size_t rows, const uint8_t *b, size_t row_bytes, size_t columns,
    size_t first, size_t end, float beta, float *out, size_t stride) {
  if (type != hoof_type_q8_0 && type != hoof_type_q4_K) {
    dot_avx512(type, bytes, x, x_stride, rows, b, row_bytes, columns, first, end, beta, out, stride);
    return;
  }
  if (bytes == 2 && rows == 1) {
    return (type == hoof_type_q4_K ? vnni_row_q4_K_2 : vnni_row_q8_0_2)(x, b, row_bytes, columns, first, end, beta, out);
  }
  // [type][bytes - 2][rows > 1]
  static const vnni_function functions[2][2][2] = {
      {{NULL, vnni_q8_0_2_some}, {vnni_q8_0_3_one, vnni_q8_0_3_some}},
      {{NULL, vnni_q4_K_2_some}, {vnni_q4_K_3_one, vnni_q4_K_3_some}},
  };
  const vnni_function multiply = functions[type == hoof_type_q4_K][bytes - 2][rows > 1];
  for (size_t n = first; n < end; n += hoof_dot_group) {
    const size_t count = end - n < hoof_dot_group ? end - n : hoof_dot_group;
    multiply(rows, x, x_stride, b + n * row_bytes, row_bytes, columns, count, n + hoof_dot_group < end, beta, out + n, stride);
  }
}

#undef LEVEL
#undef LANES
#undef NAME
#undef INLINE
#undef FLOATS
#undef INTS
