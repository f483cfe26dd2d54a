// Σ e^x of a row in one pass over it: each thread keeps its greatest x so far and the sum relative to it, raised when a greater one comes.
#pragma once
#include "reduce.h"

/// What is subtracted before exponentials are taken: the greatest x, or 0 where that is infinite, so that infinities come out right.
HOOF_INLINE float soft_shift(float max) { return fabsf(max) < infinity() ? max : 0.0f; }

/// What sums relative to `max` are multiplied by to be relative to `raised` >= max. Not 0, so that an infinite sum stays infinite, and 1
/// for an untouched sum.
HOOF_INLINE float soft_factor(float max, float raised) {
  if (max == raised || max == -infinity()) return 1.0f;
  return fmaxf(expf(max - soft_shift(raised)), 1.17549435e-38f);
}

/// e^x in two instructions: within 2 ulp, and |x|·2^-24 of the value for what rounding the exponent costs.
HOOF_INLINE float soft_exp(float x) { return exp2_approximate(x * 1.44269504f); }

struct SoftSum {
  float max = -infinity(), sum = 0;

  template <int count> HOOF_INLINE void add(const float (&x)[count]) {
    float greatest = x[0];
#pragma unroll
    for (int i = 1; i < count; i++) greatest = fmaxf(greatest, x[i]);
    if (greatest > max) {
      sum *= soft_factor(max, greatest);
      max = greatest;
    }
    float shift = soft_shift(max), even = 0, odd = 0;
#pragma unroll
    for (int i = 0; i < count; i += 2) {
      even += soft_exp(x[i] - shift);
      if (i + 1 < count) odd += soft_exp(x[i + 1] - shift);
    }
    sum += even + odd;
  }

  /// Joins the sums of a team; all its threads then hold the row's.
  HOOF_INLINE void join(int lanes, float *shared) {
    float greatest = team_max(max, lanes, shared);
    sum = team_sum(sum * soft_factor(max, greatest), lanes, shared);
    max = greatest;
  }

  /// ln Σ e^x; -inf for nothing or only -inf, +inf and NaN if there was one.
  HOOF_INLINE double log_sum() const { return log((double)sum) + (double)soft_shift(max); }
};
