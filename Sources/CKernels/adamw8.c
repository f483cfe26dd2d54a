// AdamW with moments of 8 bits (arXiv 2110.02861)
#ifndef HOOF_LEVEL
#include "hoof_update.h"

#define HOOF_SELF "adamw8.c"
#include "levels.h"

HOOF_TABLE(adamw8);

void hoof_adamw8(
    enum hoof_simd simd, const struct hoof_adamw *update, float *parameter, const float *gradient, const struct hoof_moments *moments,
    size_t count) {
  adamw8_table[simd](update, parameter, gradient, moments, count);
}

#else
#include "adamw.h"

#define vbin KERNEL(vbin)
#define vchoose KERNEL(vchoose)
#define encode_signed KERNEL(encode_signed)
#define encode_unsigned KERNEL(encode_unsigned)
#define move_moments KERNEL(move_moments)

LANE vu vchoose(vu mask, vu a, vu b) { return (mask & a) | (~mask & b); }

// Backends have to find the same codes: from here to the step itself each product and sum is rounded by itself.
/// TensorCore's DynamicCode: n + j of x's bin, with n bins in the lowest decade. x >= 0; NaN lands in some bin.
LANE vu vbin(vf x, uint32_t n) {
#pragma clang fp contract(off)
  const float least[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f}, tens[] = {1e5f, 1e4f, 1e3f, 1e2f, 10, 1};
  vu bins = (vu)n;
  vf scale = vset(1e6f);
  for (int i = 0; i < 6; i++) {
    vu above = (vu)(x >= vset(least[i]));
    bins += bins & above;
    scale = vselect(above, vset(tens[i]), scale);
  }
  typedef int32_t vi __attribute__((ext_vector_type(W)));
  vf wide = __builtin_convertvector((vi)bins, vf);
  vf place = x * scale;
  place = place - 0.1f;
  place = place * (wide * 1.11111116f);
  return bins + (vu)__builtin_convertvector(vmin(vmax(place, vset(0)), wide - 1.0f), vi);
}

LANE vu encode_signed(vf x) {
  vf size = vabs(x);
  vu k = vchoose((vu)(size >= vset(1)), (vu)128u, vbin(size, 1)) & ~(vu)(size < vset(1e-7f));
  // 1 has no negative counterpart.
  return vchoose((vu)(x < vset(0)), (vu)127u - (k - (k >> 7)), (vu)127u + k);
}

LANE vu encode_unsigned(vf x) {
  vu k = vchoose((vu)(x >= vset(1)), (vu)255u, vbin(x, 2) - 1);
  return vchoose((vu)(x < vset(1e-7f)), (vu)(x > vset(0)) & 1, k);
}

LANE void move_moments(const struct hoof_adamw *u, vf g, vf *first, vf *second) {
#pragma clang fp contract(off)
  g = g * u->gradient_scale;
  vf m = *first * u->beta1, dm = g * (1.0f - u->beta1);
  vf v = *second * u->beta2, dv = g * g;
  dv = dv * (1.0f - u->beta2);
  *first = m + dm;
  *second = v + dv;
}

static void KERNEL(adamw8)(
    const struct hoof_adamw *u, float *parameter, const float *gradient, const struct hoof_moments *at, size_t count) {
  typedef uint8_t bytes __attribute__((ext_vector_type(W)));
  enum { block = 256 };
  for (size_t start = 0; start < count; start += block) {
    size_t index = start / block, n = count - start < block ? count - start : block;
    uint8_t *first = at->first + start, *second = at->second + start;
    float m[block], v[block];
    float m_scale = at->first_scales[index], v_scale = at->second_scales[index];
    for (size_t i = 0; i < n; i++) m[i] = at->signed_values[first[i]] * m_scale;
    for (size_t i = 0; i < n; i++) v[i] = at->unsigned_values[second[i]] * v_scale;
    // What is not there has moments and a gradient of 0, and so has its code.
    for (size_t i = n; i < block; i++) m[i] = v[i] = 0;
    vf m_most = vset(0), v_most = vset(0);
    for (size_t i = 0; i < n; i += W) {
      size_t left = n - i;
      float *p = parameter + start + i;
      const float *g = gradient + start + i;
      vf m_now = vload(m + i), v_now = vload(v + i);
      move_moments(u, left < W ? vload_n(g, left, 0) : vload(g), &m_now, &v_now);
      vf moved = adamw_moved(u, left < W ? vload_n(p, left, 0) : vload(p), m_now, v_now);
      if (left < W) vstore_n(p, moved, left);
      else vstore(p, moved);
      vstore(m + i, m_now);
      vstore(v + i, v_now);
      m_most = vmax(vabs(m_now), m_most);
      v_most = vmax(v_now, v_most);
    }
    at->first_scales[index] = m_scale = vhmax(m_most);
    at->second_scales[index] = v_scale = vhmax(v_most);
    // A block of zeros: 0 / 1.
    if (m_scale == 0) m_scale = 1;
    if (v_scale == 0) v_scale = 1;
    for (size_t i = 0; i < block; i += W) {
      bytes codes = __builtin_convertvector(encode_signed(vload(m + i) / m_scale), bytes);
      memcpy(first + i, &codes, sizeof codes);
      codes = __builtin_convertvector(encode_unsigned(vload(v + i) / v_scale), bytes);
      memcpy(second + i, &codes, sizeof codes);
    }
  }
}
#endif
