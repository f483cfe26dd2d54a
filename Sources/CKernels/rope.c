// Rotary embedding (arXiv 2104.09864)
#ifndef HOOF_LEVEL
#include "hoof_rope.h"

#define HOOF_SELF "rope.c"
#include "levels.h"

HOOF_TABLE(rope_halves);
HOOF_TABLE(rope_pairs);

void hoof_rope(
    enum hoof_simd simd, const float *x, const int32_t *slots, int32_t first, const float *table, bool interleaved, bool inverse, float *out,
    size_t rows, size_t heads, size_t head_dim) {
  (interleaved ? rope_pairs_table : rope_halves_table)[simd](x, slots, first, table, inverse, out, rows, heads, head_dim);
}

#else
// Pairs (i, i + D/2).
static void KERNEL(rope_halves)(
    const float *x, const int32_t *slots, int32_t first, const float *table, bool inverse, float *out, size_t rows, size_t heads,
    size_t head_dim) {
  size_t half = head_dim / 2;
  vf sign = vset(inverse ? -1.0f : 1.0f);
  for (size_t r = 0; r < rows; r++) {
    const float *cosines = table + (slots ? (size_t)(slots[r] - first) : r) * head_dim, *sines = cosines + half;
    for (size_t h = 0; h < heads; h++, x += head_dim, out += head_dim) {
      size_t i = 0;
      for (; i + W <= half; i += W) {
        vf a = vload(x + i), b = vload(x + half + i), c = vload(cosines + i), s = vload(sines + i) * sign;
        vstore(out + i, vfma(a, c, -(b * s)));
        vstore(out + half + i, vfma(b, c, a * s));
      }
      if (i < half) {
        size_t n = half - i;
        vf a = vload_n(x + i, n, 0), b = vload_n(x + half + i, n, 0), c = vload_n(cosines + i, n, 0), s = vload_n(sines + i, n, 0) * sign;
        vstore_n(out + i, vfma(a, c, -(b * s)), n);
        vstore_n(out + half + i, vfma(b, c, a * s), n);
      }
    }
  }
}

// Pairs (2i, 2i + 1); the compiler makes the shuffles.
static void KERNEL(rope_pairs)(
    const float *restrict x, const int32_t *slots, int32_t first, const float *restrict table, bool inverse, float *restrict out, size_t rows,
    size_t heads, size_t head_dim) {
  size_t half = head_dim / 2;
  float sign = inverse ? -1.0f : 1.0f;
  for (size_t r = 0; r < rows; r++) {
    const float *cosines = table + (slots ? (size_t)(slots[r] - first) : r) * head_dim, *sines = cosines + half;
    for (size_t h = 0; h < heads; h++, x += head_dim, out += head_dim)
      for (size_t i = 0; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1], c = cosines[i], s = sines[i] * sign;
        out[2 * i] = a * c - b * s;
        out[2 * i + 1] = b * c + a * s;
      }
  }
}
#endif
