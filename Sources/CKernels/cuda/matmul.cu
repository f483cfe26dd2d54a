// Products of bf16 activations with bf16 weights, a·bᵀ: every linear layer's forward pass (product_bf16.h), and the sum of shares of k.
#include "product_bf16.h"

HOOF_PRODUCT(hoof_matmul_right_bf16_bf16, bf16, LargeTile, true, true)
HOOF_PRODUCT(hoof_matmul_right_bf16_bf16_small, bf16, SmallTile, true, true)

/// out = Σ shares + beta·out, shares one behind the other, f32, added in their order.
HOOF_KERNEL hoof_matmul_reduce(const float *shares, void *out, i64 count, i32 share_count, float beta, i32 flags) {
  i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float sum = shares[i];
#pragma unroll 4
  for (int share = 1; share < share_count; share++) sum += shares[share * count + i];
  if (flags & product_bf16_out) {
    bf16 *p = (bf16 *)out + i;
    *p = from_float<bf16>(beta != 0.0f ? sum + beta * to_float(*p) : sum);
  } else {
    float *p = (float *)out + i;
    *p = beta != 0.0f ? sum + beta * *p : sum;
  }
}
HOOF_EXPORT(hoof_matmul_reduce)
