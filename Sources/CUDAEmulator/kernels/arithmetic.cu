// Kernels that show the emulator's twins to its tests: products of the tensor cores, conversions, collectives.
#include "hopper.h"

/// c [16, 8] = a [16, 16] · b [8, 16]ᵀ, one warp, operands through ldmatrix.
HOOF_KERNEL emulator_mma_bf16(const bf16 *a, const bf16 *b, float *c) {
  HOOF_SHARED(bf16, tile, 24 * 16);
  for (u32 i = threadIdx.x; i < 256; i += 32) tile[i] = a[i];
  for (u32 i = threadIdx.x; i < 128; i += 32) tile[256 + i] = b[i];
  __syncwarp();
  u32 lane = threadIdx.x, g = lane / 4, t = lane % 4, words[4], pairs[4];
  load_matrix_x4(words, tile + (lane % 16) * 16 + lane / 16 * 8);
  load_matrix_x4(pairs, tile + 256 + (lane % 8) * 16 + lane / 8 % 2 * 8);
  float d[4] = {};
  mma_bf16_16x8x16(d, words, pairs[0], pairs[1]);
  for (u32 i = 0; i < 4; i++) c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}
HOOF_EXPORT(emulator_mma_bf16)

/// The same with b [16, 8] by rows, transposed by ldmatrix.
HOOF_KERNEL emulator_mma_transposed(const bf16 *a, const bf16 *b, float *c) {
  HOOF_SHARED(bf16, tile, 16 * 16);
  HOOF_SHARED(bf16, right, 16 * 8);
  for (u32 i = threadIdx.x; i < 256; i += 32) tile[i] = a[i];
  for (u32 i = threadIdx.x; i < 128; i += 32) right[i] = b[i];
  __syncwarp();
  u32 lane = threadIdx.x, g = lane / 4, t = lane % 4, words[4], pairs[4];
  load_matrix_x4(words, tile + (lane % 16) * 16 + lane / 16 * 8);
  load_matrix_x4_transposed(pairs, right + (lane % 16) * 8);
  float d[4] = {};
  mma_bf16_16x8x16(d, words, pairs[0], pairs[1]);
  for (u32 i = 0; i < 4; i++) c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}
HOOF_EXPORT(emulator_mma_transposed)

/// c [16, 8] = a [16, 8] · b [8, 8] in tf32.
HOOF_KERNEL emulator_mma_tf32(const float *a, const float *b, float *c) {
  u32 g = threadIdx.x / 4, t = threadIdx.x % 4, words[4];
  for (u32 i = 0; i < 4; i++) words[i] = round_to_tf32(a[(g + 8 * (i % 2)) * 8 + t + 4 * (i / 2)]);
  float d[4] = {};
  mma_tf32_16x8x8(d, words, round_to_tf32(b[t * 8 + g]), round_to_tf32(b[(t + 4) * 8 + g]));
  for (u32 i = 0; i < 4; i++) c[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}
HOOF_EXPORT(emulator_mma_tf32)

template <int n> HOOF_INLINE void multiply(float (&d)[n / 2], u64 a, u64 b, bool accumulate) {
  if constexpr (n == 64) wgmma_m64n64k16(d, a, b, accumulate);
  if constexpr (n == 128) wgmma_m64n128k16(d, a, b, accumulate);
  if constexpr (n == 256) wgmma_m64n256k16(d, a, b, accumulate);
}

/// c [M, N] = a [M, K] · b [N, K]ᵀ, a tile of [64, n] a block, two buffers; a warpgroup whose first thread loads. Without `waits` the
/// last wait is missing.
template <int n, bool waits> HOOF_INLINE void product(float *c, const TensorMap *a, const TensorMap *b, int rows, int columns, int depth) {
  HOOF_DYNAMIC_SHARED(u8, shared);
  HOOF_SHARED(u64, full, 2);
  const int a_bytes = 64 * 128, buffer = a_bytes + n * 128, steps = (depth + 63) / 64;
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init(full + 1, 1);
    barrier_fence();
  }
  __syncthreads();
  float d[n / 2];
  for (int step = 0; step <= steps; step++) {
    if (step < steps && threadIdx.x == 0) {
      u8 *to = shared + step % 2 * buffer;
      barrier_expect(full + step % 2, (u32)buffer);
      tensor_load_2d(to, a, full + step % 2, step * 64, (i32)blockIdx.y * 64);
      tensor_load_2d(to + a_bytes, b, full + step % 2, step * 64, (i32)blockIdx.x * n);
    }
    if (step == 0) continue;
    int behind = step - 1;
    barrier_wait(full + behind % 2, (u32)(behind / 2 % 2));
    u64 left = wgmma_descriptor(shared + behind % 2 * buffer), right = wgmma_descriptor(shared + behind % 2 * buffer + a_bytes);
    wgmma_fence();
    for (u64 i = 0; i < 4; i++) multiply<n>(d, left + 2 * i, right + 2 * i, behind > 0 || i > 0);
    wgmma_commit();
    if (waits || step < steps) wgmma_wait<0>();
    __syncthreads();
  }
  for (int i = 0; i < n / 2; i++) {
    int row = (int)(blockIdx.y * 64 + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4) + 8 * (i / 2 % 2);
    int column = (int)(blockIdx.x * n + threadIdx.x % 4 * 2) + 8 * (i / 4) + i % 2;
    if (row < rows && column < columns) c[row * columns + column] = d[i];
  }
  if (!waits) wgmma_wait<0>();
}
#define PRODUCT(name, n, waits)                                                                                                    \
  HOOF_KERNEL name(float *c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, int rows, int columns, int depth) { \
    product<n, waits>(c, &a, &b, rows, columns, depth);                                                                             \
  }                                                                                                                                 \
  HOOF_EXPORT(name)
PRODUCT(emulator_wgmma_64, 64, true)
PRODUCT(emulator_wgmma_128, 128, true)
PRODUCT(emulator_wgmma_256, 256, true)
PRODUCT(emulator_wgmma_unawaited, 64, false)

/// bits → f32 → bits, for all 65,536 halves, and what the collectives give.
HOOF_KERNEL emulator_halves(float *wide, u16 *narrow) {
  u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  wide[i] = half_to_float((u16)i);
  narrow[i] = float_to_half(half_to_float((u16)i));
}
HOOF_EXPORT(emulator_halves)

HOOF_KERNEL emulator_round(const float *x, u16 *half, u16 *brain, u32 *tensor, int n) {
  int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  half[i] = float_to_half(x[i]);
  brain[i] = from_float<bf16>(x[i]).bits;
  tensor[i] = round_to_tf32(x[i]);
}
HOOF_EXPORT(emulator_round)

/// One row of 32 results for each collective.
HOOF_KERNEL emulator_collectives(i32 *out) {
  const u32 all = 0xffffffffu;
  i32 lane = (i32)threadIdx.x, row = 0;
  auto put = [&](i32 value) { out[32 * row++ + lane] = value; };
  put(__shfl_sync(all, lane, 3));
  put(__shfl_sync(all, lane, 9, 8));
  put(__shfl_xor_sync(all, lane, 5));
  put(__shfl_up_sync(all, lane, 3));
  put(__shfl_up_sync(all, lane, 3, 16));
  put(__shfl_down_sync(all, lane, 3));
  put(__shfl_down_sync(all, lane, 3, 16));
  put((i32)__ballot_sync(all, lane % 3 == 0));
  put(__any_sync(all, lane == 7));
  put(__all_sync(all, lane < 31));
  put(__syncthreads_count(lane < 5));
  put(__syncthreads_or(lane == 31));
  put(__syncthreads_and(lane < 32));
  put((i32)warp_sum((float)lane));
  put((i32)warp_max((float)(lane ^ 9)));
  put(dot_bytes(0x80ff7f01u, 0x01020304u + (u32)lane, lane));
}
HOOF_EXPORT(emulator_collectives)
