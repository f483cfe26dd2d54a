// Cross-entropy and Kullback-Leibler divergence of rows of logits: a warp a row, or a block a row where rows are long. One pass over the
// row gathers all sums online (soft.h); only a gradient reads it again, from its end backwards, because what was read last is still in the
// second cache. The gradient may replace the logits it is read from.
//
// The divergence must keep its digits when it is as small as 1e-8, where the difference of two log-sum-exps has none left. With
// x = p - q - offset (KL does not see a constant), w = exp(p - max p), S = Σ w, e = Σ w·x/S and k = Σ w·φ(x)/S, φ(x) = e^-x - 1 + x:
//   Z_q/Z_p = mean of e^-x under p = 1 + k - e, so KL = e + ln(1 + k - e),
// in which an error of e counts only times e, and φ is a series for small x that does not cancel. The offset, the mean difference of the
// first logits, makes e small. Where the rows differ so much that this does not hold, KL = e + ln Z_q - ln Z_p. The last step is in double.
#include "soft.h"
#include "vector.h"

/// losses = ln Σ e^x - x[target]; dLogits = scale·(softmax - onehot), or null. A negative target gives zeros, one outside the row NaN.
HOOF_KERNEL __launch_bounds__(1024) hoof_cross_entropy_f32(
    const float *logits, const i32 *targets, float scale, float *losses, float *dLogits, i64 rows, i64 columns, i32 lanes) {
  HOOF_SHARED(float, shared, team_slots);
  i64 row = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  if (row >= rows) return;
  int lane = threadIdx.x % lanes;
  const float *x = logits + row * columns;
  float *d = dLogits ? dLogits + row * columns : nullptr;
  bool packed = takes_packets<4>(x) && (!d || takes_packets<4>(d)) && columns % 4 == 0;
  i32 target = targets[row];
  if (target < 0) {
    if (lane == 0) losses[row] = 0;
    if (!d) return;
    over_row<4, 16>(columns, packed, lane, lanes, [&](auto tile) {
      float zeros[decltype(tile)::count] = {};
      tile.store(d, zeros);
    });
    return;
  }
  SoftSum total;
  over_row<4, 16>(columns, packed, lane, lanes, [&](auto tile) {
    float v[decltype(tile)::count];
    tile.load(v, x, -infinity());
    total.add(v);
  });
  // Read before the gradient may overwrite it: `join` ends in a barrier or in a collective of the warp.
  float score = lane == 0 && target < columns ? x[target] : __uint_as_float(0x7fc00000u);
  __syncwarp();
  total.join(lanes, shared);
  if (lane == 0) losses[row] = (float)(total.log_sum() - (double)score);
  if (!d) return;
  float shift = soft_shift(total.max), factor = scale / total.sum;
  over_row_backwards<4, 16>(columns, packed, lane, lanes, [&](auto tile) {
    constexpr int count = decltype(tile)::count;
    float v[count];
    tile.load(v, x);
#pragma unroll
    for (int i = 0; i < count; i++) v[i] = soft_exp(v[i] - shift) * factor - (tile.index(i) == target ? scale : 0.0f);
    tile.store(d, v);
  });
}
HOOF_EXPORT(hoof_cross_entropy_f32)

/// e^-x - 1 + x for |x| <= 1/2; the first term left out is 4e-8 of the result.
HOOF_INLINE float excess(float x) {
  float y = fmaf(x, 2.48015873e-5f, -1.98412698e-4f);
  y = fmaf(y, x, 1.38888889e-3f);
  y = fmaf(y, x, -8.33333333e-3f);
  y = fmaf(y, x, 4.16666667e-2f);
  y = fmaf(y, x, -1.66666667e-1f);
  y = fmaf(y, x, 0.5f);
  return y * (x * x);
}

/// The sums of one thread, then of a row.
struct Comparison {
  float offset, maxP = -infinity(), maxQ = -infinity();
  /// Σ w, Σ w·x, Σ w·φ(x); Σ exp(q - max q).
  float sumP = 0, weighted = 0, excesses = 0, sumQ = 0;
  /// exp(q - max q) times this is w·e^-x.
  float ratio = 1;

  HOOF_INLINE void raise(float p, float q) {
    float factor = soft_factor(maxP, p);
    sumP *= factor, weighted *= factor, excesses *= factor;
    sumQ *= soft_factor(maxQ, q);
    maxP = p, maxQ = q;
    // Finite, or an exponential of 0 would make it NaN; the excesses overflow and are not used.
    ratio = fminf(expf((soft_shift(maxQ) + offset) - soft_shift(maxP)), 3.402823466e38f);
  }

  template <int count> HOOF_INLINE void add(const float (&p)[count], const float (&q)[count]) {
    float greatestP = maxP, greatestQ = maxQ;
#pragma unroll
    for (int i = 0; i < count; i++) greatestP = fmaxf(greatestP, p[i]), greatestQ = fmaxf(greatestQ, q[i]);
    if (greatestP > maxP || greatestQ > maxQ) raise(greatestP, greatestQ);
    float shiftP = soft_shift(maxP), shiftQ = soft_shift(maxQ);
#pragma unroll
    for (int i = 0; i < count; i++) {
      float w = soft_exp(p[i] - shiftP), u = soft_exp(q[i] - shiftQ), x = (p[i] - q[i]) - offset;
      sumP += w;
      sumQ += u;
      float size = fabsf(x);
      // A column that p rules out adds nothing to the mean, whatever q says.
      float term = size <= 8 || w != 0 ? w * x : 0.0f;
      weighted += term;
      // Far apart, w·e^-x comes from q, because one of the factors may leave the range of numbers.
      if (size <= 0.5f) excesses += w * excess(x);
      else if (size <= 8) excesses += w * ((soft_exp(-x) - 1.0f) + x);
      else excesses += fmaf(u, ratio, term - w);
    }
  }

  HOOF_INLINE void join(int lanes, float *shared) {
    float greatest[2] = {maxP, maxQ};
    team_maxima(greatest, lanes, shared);
    raise(greatest[0], greatest[1]);
    float sums[4] = {sumP, weighted, excesses, sumQ};
    team_sums(sums, lanes, shared);
    sumP = sums[0], weighted = sums[1], excesses = sums[2], sumQ = sums[3];
  }

  HOOF_INLINE float divergence() const {
    double e = (double)weighted / (double)sumP, k = (double)excesses / (double)sumP, quotient = 1 + k - e;
    if (e == (double)infinity() && sumQ == sumQ) return infinity();
    double kl = quotient > 0.1 && quotient < 10
                    ? e + log1p(k - e)
                    : e + (log((double)sumQ) + (double)soft_shift(maxQ) + (double)offset) - (log((double)sumP) + (double)soft_shift(maxP));
    // Rounding may leave a trace below zero; a NaN stays.
    return kl < 0 ? 0.0f : (float)kl;
  }
};

/// divergences = Σ p·(ln p - ln q) of the softmaxes; dQ = scale·(q - p), or null.
HOOF_KERNEL __launch_bounds__(1024) hoof_kl_divergence_f32(
    const float *p, const float *q, float scale, float *divergences, float *dQ, i64 rows, i64 columns, i32 lanes) {
  HOOF_SHARED(float, shared, team_slots * 4);
  i64 row = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  if (row >= rows) return;
  int lane = threadIdx.x % lanes, inWarp = threadIdx.x % 32;
  p += row * columns, q += row * columns;
  float *d = dQ ? dQ + row * columns : nullptr;
  bool packed = takes_packets<4>(p) && takes_packets<4>(q) && (!d || takes_packets<4>(d)) && columns % 4 == 0;

  Comparison c;
  float difference = inWarp < columns ? p[inWarp] - q[inWarp] : 0.0f;
  c.offset = warp_sum(fabsf(difference) < infinity() ? difference : 0.0f) / (float)(columns < 32 ? columns : 32);
  over_row<4, 8>(columns, packed, lane, lanes, [&](auto tile) {
    float a[decltype(tile)::count], b[decltype(tile)::count];
    tile.load(a, p, -infinity());
    tile.load(b, q, -infinity());
    c.add(a, b);
  });
  c.join(lanes, shared);
  if (lane == 0) divergences[row] = c.divergence();
  if (!d) return;
  __syncwarp();
  float shiftP = soft_shift(c.maxP), shiftQ = soft_shift(c.maxQ), factorP = scale / c.sumP, factorQ = scale / c.sumQ;
  over_row_backwards<4, 8>(columns, packed, lane, lanes, [&](auto tile) {
    constexpr int count = decltype(tile)::count;
    float a[count], b[count];
    tile.load(a, p);
    tile.load(b, q);
#pragma unroll
    for (int i = 0; i < count; i++) b[i] = soft_exp(b[i] - shiftQ) * factorQ - soft_exp(a[i] - shiftP) * factorP;
    tile.store(d, b);
  });
}
HOOF_EXPORT(hoof_kl_divergence_f32)
