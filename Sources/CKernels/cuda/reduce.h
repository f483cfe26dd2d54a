// Sums and maxima over a team: the threads that share a row, either 1, 2, 4 ... 32 neighbouring lanes of a warp or a whole block of several
// full warps. Every lane of a warp (every thread of the block) takes part; all of the team get the result, whose order is fixed.
#pragma once
#include "device.h"

/// Floats of shared memory that a block-wide reduction of one value needs.
constexpr int team_slots = 32;

template <int count, class Combine> HOOF_INLINE void team_reduce(float (&x)[count], int lanes, float *shared, Combine combine) {
  for (int offset = (lanes < 32 ? lanes : 32) / 2; offset > 0; offset >>= 1) {
#pragma unroll
    for (int i = 0; i < count; i++) x[i] = combine(x[i], __shfl_xor_sync(0xffffffffu, x[i], offset));
  }
  if (lanes <= 32) return;
  // The reduction before this one may still be read.
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int i = 0; i < count; i++) shared[threadIdx.x / 32 * count + i] = x[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < count; i++) x[i] = shared[i];
  for (int w = 1; w < lanes / 32; w++) {
#pragma unroll
    for (int i = 0; i < count; i++) x[i] = combine(x[i], shared[w * count + i]);
  }
}

template <int count> HOOF_INLINE void team_sums(float (&x)[count], int lanes, float *shared) {
  team_reduce(x, lanes, shared, [](float a, float b) { return a + b; });
}
/// NaN is dropped.
template <int count> HOOF_INLINE void team_maxima(float (&x)[count], int lanes, float *shared) {
  team_reduce(x, lanes, shared, [](float a, float b) { return fmaxf(a, b); });
}
HOOF_INLINE float team_sum(float x, int lanes, float *shared) {
  float values[1] = {x};
  team_sums(values, lanes, shared);
  return values[0];
}
HOOF_INLINE float team_max(float x, int lanes, float *shared) {
  float values[1] = {x};
  team_maxima(values, lanes, shared);
  return values[0];
}
