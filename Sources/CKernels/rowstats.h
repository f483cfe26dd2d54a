// Softmax statistics of rows in one pass over memory: blocks that stay in the first-level cache are read twice (maximum, then sum of
// exponentials relative to the greatest so far); block sums are float lanes, rows are summed in double. Included once per level.

#define soft_add KERNEL(soft_add)
#define block_max KERNEL(block_max)
#define first_equal KERNEL(first_equal)
#define first_nan KERNEL(first_nan)
#define soft_prefetch KERNEL(soft_prefetch)
#define SOFT_BLOCK 512

#ifndef HOOF_ROWSTATS
#define HOOF_ROWSTATS
/// Σ e^(x - shift) over what was seen, shift being the greatest x (0 where that is infinite, so that infinities come out by themselves).
struct soft {
  double sum;
  float max;
};

static inline __attribute__((unused)) float soft_shift(float max) { return __builtin_isfinite(max) ? max : 0; }
static inline __attribute__((unused)) double soft_log(struct soft s) { return log(s.sum) + (double)soft_shift(s.max); }

/// Takes a new maximum in; the factor is what sums kept relative to the old one must be multiplied by.
static inline __attribute__((unused)) double soft_raise(struct soft *s, float max) {
  if (!(max > s->max)) return 1;
  // An untouched sum must stay 0, whatever the factor.
  double factor = s->sum == 0 ? 1 : exp((double)soft_shift(s->max) - (double)soft_shift(max));
  s->sum *= factor;
  s->max = max;
  return factor;
}
#endif

/// Asks for the floats a block ahead, so that memory works while exponentials are computed. Harmless past the end of a row.
LANE void soft_prefetch(const float *x, int count) {
  for (int i = 0; i < count; i += 16) __builtin_prefetch((const void *)((uintptr_t)x + (uintptr_t)i * sizeof *x));
}

LANE float block_max(const float *x, size_t count) {
  size_t i = 0;
  vf m0 = vset(-__builtin_inff()), m1 = m0, m2 = m0, m3 = m0;
  for (; i + 4 * W <= count; i += 4 * W) {
    m0 = vmax(vload(x + i), m0);
    m1 = vmax(vload(x + i + W), m1);
    m2 = vmax(vload(x + i + 2 * W), m2);
    m3 = vmax(vload(x + i + 3 * W), m3);
  }
  for (; i + W <= count; i += W) m0 = vmax(vload(x + i), m0);
  if (i < count) m1 = vmax(vload_n(x + i, count - i, -__builtin_inff()), m1);
  return vhmax(vmax(vmax(m0, m1), vmax(m2, m3)));
}

LANE void soft_add(struct soft *s, const float *x, size_t count) {
  soft_raise(s, block_max(x, count));
  vf shift = vset(soft_shift(s->max)), s0 = vset(0), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * W <= count; i += 4 * W) {
    soft_prefetch(x + i + SOFT_BLOCK, 4 * W);
    s0 += vexp_soft(vload(x + i) - shift);
    s1 += vexp_soft(vload(x + i + W) - shift);
    s2 += vexp_soft(vload(x + i + 2 * W) - shift);
    s3 += vexp_soft(vload(x + i + 3 * W) - shift);
  }
  for (; i + W <= count; i += W) s0 += vexp_soft(vload(x + i) - shift);
  if (i < count) s1 += vexp_soft(vload_n(x + i, count - i, -__builtin_inff()) - shift);
  s->sum += (double)vsum((s0 + s1) + (s2 + s3));
}

LANE size_t first_equal(const float *x, float value, size_t count) {
  size_t i = 0;
  while (i < count && x[i] != value) i++;
  return i;
}

LANE size_t first_nan(const float *x, size_t count) {
  size_t i = 0;
  while (i < count && x[i] == x[i]) i++;
  return i;
}
