// Cross-entropy and Kullback-Leibler divergence of rows of logits
#ifndef HOOF_LEVEL
#include "hoof_loss.h"

#include <math.h>

#define HOOF_SELF "loss.c"
#include "levels.h"

HOOF_TABLE(cross_entropy);
HOOF_TABLE(kl_divergence);
HOOF_TABLE(compare_rows);

void hoof_cross_entropy(
    enum hoof_simd simd, const float *logits, const int32_t *targets, float scale, float *losses, float *d_logits, size_t rows,
    size_t columns) {
  cross_entropy_table[simd](logits, targets, scale, losses, d_logits, rows, columns);
}

void hoof_kl_divergence(
    enum hoof_simd simd, const float *p, const float *q, float scale, float *divergences, float *dq, size_t rows, size_t columns) {
  kl_divergence_table[simd](p, q, scale, divergences, dq, rows, columns);
}

void hoof_compare_rows(
    enum hoof_simd simd, const float *p, const float *q, const int32_t *targets, float *divergences, float *losses, int32_t *winners,
    size_t rows, size_t columns) {
  compare_rows_table[simd](p, q, targets, divergences, losses, winners, rows, columns);
}

#else
#include "rowstats.h"

static void KERNEL(cross_entropy)(
    const float *logits, const int32_t *targets, float scale, float *losses, float *d_logits, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = logits + r * columns;
    float *d = d_logits ? d_logits + r * columns : NULL;
    if (targets[r] < 0) {
      losses[r] = 0;
      if (d) memset(d, 0, columns * sizeof *d);
      continue;
    }
    struct soft s = {0, -__builtin_inff()};
    for (size_t i = 0; i < columns; i += SOFT_BLOCK) soft_add(&s, x + i, columns - i < SOFT_BLOCK ? columns - i : SOFT_BLOCK);
    losses[r] = (float)(soft_log(s) - (double)x[targets[r]]);
    if (!d) continue;
    vf shift = vset(soft_shift(s.max)), factor = vset((float)((double)scale / s.sum));
    size_t i = 0;
    for (; i + W <= columns; i += W) vstore(d + i, vexp_soft(vload(x + i) - shift) * factor);
    if (i < columns) vstore_n(d + i, vexp_soft(vload_n(x + i, columns - i, 0) - shift) * factor, columns - i);
    d[targets[r]] -= scale;
  }
}

// KL = Σ p·((zp - zq) - (ln Zp - ln Zq)), in one pass. `offset` stands in for ln Zp - ln Zq while that is unknown: taken from the first
// block, it keeps every term small where the rows are nearly equal up to a constant, so nothing cancels at the end.
struct KERNEL(comparison) {
  struct soft p, q;
  double weighted;
  float offset;
};

LANE void KERNEL(compare_add)(struct KERNEL(comparison) *c, const float *p, const float *q, size_t count, float max_q) {
  c->weighted *= soft_raise(&c->p, block_max(p, count));
  soft_raise(&c->q, max_q);
  vf shift_p = vset(soft_shift(c->p.max)), shift_q = vset(soft_shift(c->q.max)), offset = vset(c->offset);
  vf p0 = vset(0), p1 = p0, q0 = p0, q1 = p0, t0 = p0, t1 = p0;
#define HOOF_TERM(load_p, load_q, sum_p, sum_q, terms)                     \
  {                                                                        \
    vf a = load_p, b = load_q, e = vexp_soft(a - shift_p);                      \
    sum_q += vexp_soft(b - shift_q);                                            \
    sum_p += e;                                                            \
    /* p = 0 contributes 0, also where q is 0 */                           \
    terms += vselect((vu)(e == vset(0)), vset(0), e * ((a - b) - offset)); \
  }
  size_t i = 0;
  for (; i + 2 * W <= count; i += 2 * W) {
    soft_prefetch(p + i + SOFT_BLOCK, 2 * W);
    soft_prefetch(q + i + SOFT_BLOCK, 2 * W);
    HOOF_TERM(vload(p + i), vload(q + i), p0, q0, t0)
    HOOF_TERM(vload(p + i + W), vload(q + i + W), p1, q1, t1)
  }
  for (; i + W <= count; i += W) HOOF_TERM(vload(p + i), vload(q + i), p0, q0, t0)
  if (i < count) {
    size_t n = count - i;
    HOOF_TERM(vload_n(p + i, n, -__builtin_inff()), vload_n(q + i, n, -__builtin_inff()), p1, q1, t1)
  }
#undef HOOF_TERM
  c->p.sum += (double)vsum(p0 + p1);
  c->q.sum += (double)vsum(q0 + q1);
  c->weighted += (double)vsum(t0 + t1);
}

LANE struct KERNEL(comparison) KERNEL(compare_begin)(const float *p, const float *q, size_t columns) {
  size_t n = columns < SOFT_BLOCK ? columns : SOFT_BLOCK;
  float offset = n ? block_max(p, n) - block_max(q, n) : 0;
  return (struct KERNEL(comparison)){
      .p = {0, -__builtin_inff()}, .q = {0, -__builtin_inff()}, .weighted = 0, .offset = __builtin_isfinite(offset) ? offset : 0};
}

LANE float KERNEL(compare_end)(struct KERNEL(comparison) c) {
  double shifts = (double)soft_shift(c.p.max) - (double)soft_shift(c.q.max) - (double)c.offset;
  double kl = c.weighted / c.p.sum - (log(c.p.sum) - log(c.q.sum) + shifts);
  // Rounding may leave a trace below zero; a NaN stays.
  return kl < 0 ? 0 : (float)kl;
}

static void KERNEL(kl_divergence)(
    const float *p, const float *q, float scale, float *divergences, float *dq, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, p += columns, q += columns) {
    struct KERNEL(comparison) c = KERNEL(compare_begin)(p, q, columns);
    for (size_t i = 0; i < columns; i += SOFT_BLOCK) {
      size_t n = columns - i < SOFT_BLOCK ? columns - i : SOFT_BLOCK;
      KERNEL(compare_add)(&c, p + i, q + i, n, block_max(q + i, n));
    }
    divergences[r] = KERNEL(compare_end)(c);
    if (!dq) continue;
    float *d = dq + r * columns;
    vf shift_p = vset(soft_shift(c.p.max)), shift_q = vset(soft_shift(c.q.max));
    vf factor_p = vset((float)((double)scale / c.p.sum)), factor_q = vset((float)((double)scale / c.q.sum));
    size_t i = 0;
    for (; i + W <= columns; i += W)
      vstore(d + i, vexp_soft(vload(q + i) - shift_q) * factor_q - vexp_soft(vload(p + i) - shift_p) * factor_p);
    if (i < columns) {
      size_t n = columns - i;
      vf a = vload_n(p + i, n, 0), b = vload_n(q + i, n, 0);
      vstore_n(d + i, vexp_soft(b - shift_q) * factor_q - vexp_soft(a - shift_p) * factor_p, n);
    }
  }
}

static void KERNEL(compare_rows)(
    const float *p, const float *q, const int32_t *targets, float *divergences, float *losses, int32_t *winners, size_t rows,
    size_t columns) {
  for (size_t r = 0; r < rows; r++, p += columns, q += columns) {
    struct KERNEL(comparison) c = KERNEL(compare_begin)(p, q, columns);
    size_t winner = 0;
    float best = -__builtin_inff();
    bool broken = false;
    for (size_t start = 0; start < columns; start += SOFT_BLOCK) {
      size_t n = columns - start < SOFT_BLOCK ? columns - start : SOFT_BLOCK;
      float max = block_max(q + start, n);
      KERNEL(compare_add)(&c, p + start, q + start, n, max);
      if (broken) continue;
      // A NaN shows in the sum; +inf makes it infinite, never NaN.
      size_t nan = c.q.sum != c.q.sum ? first_nan(q + start, n) : n;
      if (nan < n) {
        broken = true;
        winner = start + nan;
      } else if (max > best) {
        best = max;
        winner = start + first_equal(q + start, max, n);
      }
    }
    divergences[r] = KERNEL(compare_end)(c);
    losses[r] = targets[r] < 0 ? 0 : (float)(soft_log(c.q) - (double)q[targets[r]]);
    winners[r] = (int32_t)winner;
  }
}
#endif
