// AdamW (arXiv 1711.05101) and adding rows into a table
#ifndef HOOF_LEVEL
#include "hoof_update.h"

#define HOOF_SELF "update.c"
#include "levels.h"

HOOF_TABLE(adamw);
HOOF_TABLE(scatter_add);
HOOF_TABLE(round_bf16);
HOOF_TABLE(round_f16);

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

#else
#define adamw_lanes KERNEL(adamw_lanes)
LANE vf adamw_lanes(const struct hoof_adamw *u, vf p, vf g, vf *first, vf *second) {
  g *= u->gradient_scale;
  vf m = vfma(vset(u->beta1), *first, g * (1.0f - u->beta1)), v = vfma(vset(u->beta2), *second, g * g * (1.0f - u->beta2));
  *first = m;
  *second = v;
  vf step = m * u->first_correction / (vsqrt(v * u->second_correction) + u->epsilon);
  return p - u->rate * vfma(vset(u->decay), p, step);
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
#endif
