// The end of a product of few rows: sums spread over a warp's lanes are added up and written.
#pragma once
#include "product.h"

/// Adds v[i] over the warp for every i. `count` (a power of two up to 32) sums cost count - 1 + log2(32 / count) shuffles: at each step a
/// lane gives half of its sums away and takes the other half of its partner's. Lane l returns the sum of v[l / (32 / count)].
template <int count, int offset = 16> HOOF_INLINE float warp_sums(float (&v)[count]) {
  if constexpr (offset == 0) {
    return v[0];
  } else if constexpr (count == 1) {
    v[0] += __shfl_xor_sync(0xffffffffu, v[0], offset);
    return warp_sums<1, offset / 2>(v);
  } else {
    bool upper = threadIdx.x & offset;
    float half[count / 2];
#pragma unroll
    for (int i = 0; i < count / 2; i++) {
      float given = upper ? v[i] : v[i + count / 2], kept = upper ? v[i + count / 2] : v[i];
      half[i] = kept + __shfl_xor_sync(0xffffffffu, given, offset);
    }
    return warp_sums<count / 2, offset / 2>(half);
  }
}

/// out = sum + beta·out for one element.
HOOF_INLINE void write_element(void *out, i64 at, float sum, float beta, int flags) {
  if (flags & product_bf16_out) {
    bf16 *p = (bf16 *)out + at;
    *p = from_float<bf16>(beta != 0.0f ? sum + beta * to_float(*p) : sum);
  } else {
    float *p = (float *)out + at;
    *p = beta != 0.0f ? sum + beta * *p : sum;
  }
}
