// ldmatrix and mma.sync; the layouts of fragments are told in runtime/mma.cpp.
#pragma once
#include "types.h"

namespace simt {
Words4 load_matrix(const void *row, bool transposed);
Floats4 mma_bf16(Floats4 d, Words4 a, u32 b0, u32 b1);
Floats4 mma_tf32(Floats4 d, Words4 a, u32 b0, u32 b1);
}  // namespace simt

__forceinline__ void load_matrix_x4(u32 (&r)[4], const void *row) {
  simt::Words4 words = simt::load_matrix(row, false);
  for (int i = 0; i < 4; i++) r[i] = words[i];
}
__forceinline__ void load_matrix_x4_transposed(u32 (&r)[4], const void *row) {
  simt::Words4 words = simt::load_matrix(row, true);
  for (int i = 0; i < 4; i++) r[i] = words[i];
}
/// d [16, 8] f32 += a [16, 16] bf16 · b [16, 8] bf16.
__forceinline__ void mma_bf16_16x8x16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  simt::Floats4 sum = simt::mma_bf16({d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, b0, b1);
  for (int i = 0; i < 4; i++) d[i] = sum[i];
}
/// d [16, 8] f32 += a [16, 8] tf32 · b [8, 8] tf32.
__forceinline__ void mma_tf32_16x8x8(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  simt::Floats4 sum = simt::mma_tf32({d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, b0, b1);
  for (int i = 0; i < 4; i++) d[i] = sum[i];
}
