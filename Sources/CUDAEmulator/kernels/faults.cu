// Kernels that are wrong, each in one way, for the emulator's own tests; `emulator_right_…` are right and look similar.
#include "hopper.h"

HOOF_KERNEL emulator_store(float *x, int index, float value) {
  if (threadIdx.x == 0) x[index] = value;
}
HOOF_EXPORT(emulator_store)

HOOF_KERNEL emulator_load(const float *x, int index, float *out) {
  if (threadIdx.x == 0) *out = x[index];
}
HOOF_EXPORT(emulator_load)

HOOF_KERNEL emulator_load_vector(const float *x, int index, float *out) {
  float4 v = *reinterpret_cast<const float4 *>(x + index);
  *out = v.x + v.y + v.z + v.w;
}
HOOF_EXPORT(emulator_load_vector)

/// Every thread writes a word and reads its neighbour's.
template <bool barrier> HOOF_INLINE void neighbours(float *out) {
  HOOF_SHARED(float, words, 256);
  words[threadIdx.x] = (float)threadIdx.x;
  if (barrier) __syncthreads();
  out[threadIdx.x] = words[(threadIdx.x + 1) % blockDim.x];
}
HOOF_KERNEL emulator_missing_barrier(float *out) { neighbours<false>(out); }
HOOF_EXPORT(emulator_missing_barrier)
HOOF_KERNEL emulator_right_barrier(float *out) { neighbours<true>(out); }
HOOF_EXPORT(emulator_right_barrier)

/// A second round overwrites what slower threads may still read.
HOOF_KERNEL emulator_missing_second_barrier(float *out) {
  HOOF_SHARED(float, words, 256);
  for (int round = 0; round < 2; round++) {
    words[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = words[threadIdx.x ^ 64];
  }
}
HOOF_EXPORT(emulator_missing_second_barrier)

HOOF_KERNEL emulator_same_word(float *out) {
  HOOF_SHARED(float, word, 1);
  word[0] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = word[0];
}
HOOF_EXPORT(emulator_same_word)

/// Within a warp a shuffle orders no memory, __syncwarp does.
template <bool barrier> HOOF_INLINE void lanes(float *out) {
  HOOF_SHARED(float, words, 32);
  words[threadIdx.x] = (float)threadIdx.x;
  if (barrier) __syncwarp();
  else __shfl_xor_sync(0xffffffffu, 0, 1);
  out[threadIdx.x] = words[threadIdx.x ^ 1];
}
HOOF_KERNEL emulator_missing_warp_barrier(float *out) { lanes<false>(out); }
HOOF_EXPORT(emulator_missing_warp_barrier)
HOOF_KERNEL emulator_right_warp_barrier(float *out) { lanes<true>(out); }
HOOF_EXPORT(emulator_right_warp_barrier)

HOOF_KERNEL emulator_shared_index(float *out, int index) {
  HOOF_SHARED(float, words, 30);
  HOOF_SHARED(float, others, 30);
  if (threadIdx.x < 30) others[threadIdx.x] = words[threadIdx.x] = 2.0f;
  __syncthreads();
  out[threadIdx.x] = words[index] + others[0];
}
HOOF_EXPORT(emulator_shared_index)

HOOF_KERNEL emulator_dynamic_shared(float *out, int count) {
  HOOF_DYNAMIC_SHARED(float, words);
  for (int i = (int)threadIdx.x; i < count; i += (int)blockDim.x) words[i] = (float)i;
  __syncthreads();
  out[threadIdx.x] = words[count - 1 - (int)threadIdx.x];
}
HOOF_EXPORT(emulator_dynamic_shared)

/// Half of the warp has ended, or does something else.
HOOF_KERNEL emulator_divergent_shuffle(float *out) {
  if (threadIdx.x >= 16) return;
  out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (float)threadIdx.x, 1);
}
HOOF_EXPORT(emulator_divergent_shuffle)
HOOF_KERNEL emulator_divergent_kinds(float *out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (float)threadIdx.x, 1);
  else out[threadIdx.x] = (float)__ballot_sync(0xffffffffu, 1);
}
HOOF_EXPORT(emulator_divergent_kinds)
HOOF_KERNEL emulator_right_halves(float *out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, (float)threadIdx.x, 1);
  else out[threadIdx.x] = (float)__popc(__ballot_sync(0xffff0000u, threadIdx.x < 20));
  out[threadIdx.x] += __shfl_sync(0xffffffffu, (float)threadIdx.x, 5);
}
HOOF_EXPORT(emulator_right_halves)

HOOF_KERNEL emulator_divergent_barriers(float *out) {
  if (threadIdx.x < 32) __syncthreads();
  else named_barrier(1, 64);
  out[threadIdx.x] = 1.0f;
}
HOOF_EXPORT(emulator_divergent_barriers)

/// Two arrivals expected, one comes.
HOOF_KERNEL emulator_arrival_deadlock(float *out) {
  HOOF_SHARED(u64, barrier, 1);
  if (threadIdx.x == 0) {
    barrier_init(barrier, 2);
    barrier_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) barrier_arrive(barrier);
  barrier_wait(barrier, 0);
  out[threadIdx.x] = 1.0f;
}
HOOF_EXPORT(emulator_arrival_deadlock)

/// One warp produces, the other consumes; arrival barriers alone order them. `early`: gives the word back before it is read.
template <bool early> HOOF_INLINE void pipeline(float *out, int rounds) {
  HOOF_SHARED(u64, full, 1);
  HOOF_SHARED(u64, empty, 1);
  HOOF_SHARED(float, words, 32);
  if (threadIdx.x == 0) {
    barrier_init(full, 32);
    barrier_init(empty, 32);
    barrier_fence();
  }
  __syncthreads();
  for (int round = 0; round < rounds; round++) {
    u32 lane = threadIdx.x % 32, parity = (u32)round & 1;
    if (threadIdx.x < 32) {
      barrier_wait(empty, parity ^ 1);
      words[lane] = (float)(round * 32) + (float)lane;
      barrier_arrive(full);
    } else {
      barrier_wait(full, parity);
      if (early) barrier_arrive(empty);
      out[round * 32 + (int)lane] = words[31 - lane];
      if (!early) barrier_arrive(empty);
    }
  }
}
HOOF_KERNEL emulator_right_pipeline(float *out, int rounds) { pipeline<false>(out, rounds); }
HOOF_EXPORT(emulator_right_pipeline)
HOOF_KERNEL emulator_early_release(float *out, int rounds) { pipeline<true>(out, rounds); }
HOOF_EXPORT(emulator_early_release)

/// Reads what cp.async brings before waiting for it.
template <bool waits> HOOF_INLINE void background(const float *x, float *out) {
  HOOF_SHARED(float, words, 128);
  copy_async_16(words + threadIdx.x * 4, x + threadIdx.x * 4, threadIdx.x < 24);
  copy_async_commit();
  if (waits) copy_async_wait<0>();
  for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + (u32)i] = words[threadIdx.x * 4 + (u32)i];
}
HOOF_KERNEL emulator_copy_without_wait(const float *x, float *out) { background<false>(x, out); }
HOOF_EXPORT(emulator_copy_without_wait)
HOOF_KERNEL emulator_right_copy(const float *x, float *out) { background<true>(x, out); }
HOOF_EXPORT(emulator_right_copy)

HOOF_KERNEL emulator_order(int *counter, int *out) { out[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1); }
HOOF_EXPORT(emulator_order)

/// Parameters of several sizes, to try how they are packed.
HOOF_KERNEL emulator_parameters(float *out, int a, float b, u64 c, const __grid_constant__ TensorMap map, u32 d) {
  out[0] = (float)a;
  out[1] = b;
  out[2] = (float)c;
  out[3] = (float)map.words[15];
  out[4] = (float)d;
}
HOOF_EXPORT(emulator_parameters)
