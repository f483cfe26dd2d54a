// What AdamW does with its moments, and how a parameter takes its new value.
#pragma once
#include "counter_hash.h"

struct AdamW {
  float rate, beta1, beta2, rest1, rest2, epsilon, decay, gradientScale, correction1, correction2;

  /// The parameter after a step with these moments.
  HOOF_INLINE float moved(float w, float first, float second) const {
    float step = first * correction1 / (sqrtf(second * correction2) + epsilon);
    return fmaf(-rate, fmaf(decay, w, step), w);
  }
};

/// Stochastic where asked for and nothing else keeps the exact value.
struct Rounding {
  CounterHash hash;
  bool is_stochastic;

  template <class T> HOOF_INLINE float rounded(float w, i64 index) const { return is_stochastic ? dithered<T>(w, hash(index)) : w; }
};

/// Arguments of every kernel here, behind its tensors.
#define HOOF_ADAMW_PARAMETERS                                                                                                       \
  float rate, float beta1, float beta2, float rest1, float rest2, float epsilon, float decay, float gradientScale, float correction1, \
      float correction2, u32 first_key, u32 second_key, u32 is_stochastic
#define HOOF_ADAMW_ARGUMENTS                                                                             \
  AdamW{rate, beta1, beta2, rest1, rest2, epsilon, decay, gradientScale, correction1, correction2},      \
      Rounding{{first_key, second_key}, is_stochastic != 0}
