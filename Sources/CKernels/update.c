// AdamW (arXiv 1711.05101), the roundings of its parameters, and adding rows into a table
#ifndef HOOF_LEVEL
#include "hoof_update.h"

#define HOOF_SELF "update.c"
#include "levels.h"

HOOF_TABLE(adamw);
HOOF_TABLE(scatter_add);
HOOF_TABLE(round_bf16);
HOOF_TABLE(round_f16);
HOOF_TABLE(dither_bf16);
HOOF_TABLE(dither_f16);

void hoof_adamw(
    enum hoof_simd simd, const struct hoof_adamw *update, float *parameter, const float *gradient, float *first, float *second,
    size_t count) {
  adamw_table[simd](update, parameter, gradient, first, second, count);
}

void hoof_scatter_add(
    enum hoof_simd simd, const float *x, const int32_t *ids, float *table, size_t rows, size_t columns, size_t from, size_t to) {
  scatter_add_table[simd](x, ids, table, rows, columns, from, to);
}

void hoof_round_bf16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count) { round_bf16_table[simd](x, out, count); }

void hoof_round_f16(enum hoof_simd simd, const float *x, uint16_t *out, size_t count) { round_f16_table[simd](x, out, count); }

void hoof_dither_bf16(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count) {
  dither_bf16_table[simd](x, keys, index, out, count);
}

void hoof_dither_f16(
    enum hoof_simd simd, const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count) {
  dither_f16_table[simd](x, keys, index, out, count);
}

#else
#include "adamw.h"
#include "hash.h"

#define adamw_lanes KERNEL(adamw_lanes)
LANE vf adamw_lanes(const struct hoof_adamw *u, vf p, vf g, vf *first, vf *second) {
  g *= u->gradient_scale;
  vf m = vfma(vset(u->beta1), *first, g * (1.0f - u->beta1)), v = vfma(vset(u->beta2), *second, g * g * (1.0f - u->beta2));
  *first = m;
  *second = v;
  return adamw_moved(u, p, m, v);
}

static void KERNEL(adamw)(
    const struct hoof_adamw *u, float *parameter, const float *gradient, float *first, float *second, size_t count) {
  size_t i = 0;
  for (; i + W <= count; i += W) {
    vf m = vload(first + i), v = vload(second + i);
    vstore(parameter + i, adamw_lanes(u, vload(parameter + i), vload(gradient + i), &m, &v));
    vstore(first + i, m);
    vstore(second + i, v);
  }
  if (i < count) {
    size_t n = count - i;
    vf m = vload_n(first + i, n, 0), v = vload_n(second + i, n, 0);
    vstore_n(parameter + i, adamw_lanes(u, vload_n(parameter + i, n, 0), vload_n(gradient + i, n, 0), &m, &v), n);
    vstore_n(first + i, m, n);
    vstore_n(second + i, v, n);
  }
}

static void KERNEL(scatter_add)(
    const float *x, const int32_t *ids, float *table, size_t rows, size_t columns, size_t from, size_t to) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * columns;
    float *out = table + (size_t)ids[r] * columns;
    size_t i = from;
    for (; i + W <= to; i += W) vstore(out + i, vload(out + i) + vload(row + i));
    for (; i < to; i++) out[i] += row[i];
  }
}

// To nearest even; a NaN keeps its upper bits and is made quiet, since rounding could turn it into an infinity.
static void KERNEL(round_bf16)(const float *x, uint16_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    out[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
  }
}

static void KERNEL(round_f16)(const float *x, uint16_t *out, size_t count) {
  size_t i = 0;
#if HOOF_LEVEL > 0
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128((__m128i *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#endif
  for (; i < count; i++) {
    _Float16 half = (_Float16)x[i];
    memcpy(out + i, &half, sizeof half);
  }
}

// The 16 bits that fall away are the fraction.
static void KERNEL(dither_bf16)(const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count) {
  typedef uint16_t halves __attribute__((ext_vector_type(W)));
  for (size_t i = 0; i < count; i += W) {
    size_t n = count - i;
    vu bits = (vu)(n < W ? vload_n(x + i, n, 0) : vload(x + i));
    vu up = (vu)((vhash(keys, index + i) >> 16) < (bits & 0xffffu));
    vu nan = (vu)((bits & 0x7fffffffu) > (vu)0x7f800000u);
    halves rounded = __builtin_convertvector(((bits >> 16) + (up & ~nan & 1)) | (nan & 0x40), halves);
    memcpy(out + i, &rounded, (n < W ? n : W) * sizeof *out);
  }
}

// An f16 has 13 bits less than an f32, and from 2⁻¹⁴ down, where its exponent ends, one more for each halving.
static void KERNEL(dither_f16)(const float *x, const struct hoof_hash *keys, uint64_t index, uint16_t *out, size_t count) {
  for (size_t i = 0; i < count; i += W) {
    vu hashes = vhash(keys, index + i) >> 8;
    for (size_t k = 0; k < W && i + k < count; k++) {
      uint32_t bits, hash = hashes[k];
      memcpy(&bits, x + i + k, sizeof bits);
      uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
      uint32_t exponent = size >> 23, half;
      if (size > 0x7f800000) {
        half = 0x7e00;
      } else if (exponent > 142) {
        half = 0x7c00;
      } else if (exponent >= 113) {
        half = (size - (112u << 23)) >> 13;
        half += hash < (size & 0x1fff) << 11;
      } else {
        uint32_t digits = exponent ? (size & 0x7fffff) | 0x800000 : size, drop = 126 - (exponent ? exponent : 1);
        half = drop < 24 ? digits >> drop : 0;
        uint32_t fraction = drop <= 24 ? (digits & ((1u << drop) - 1)) << (24 - drop) : drop < 48 ? digits >> (drop - 24) : 0;
        half += hash < fraction;
      }
      out[i + k] = (uint16_t)(sign | half);
    }
  }
}
#endif
