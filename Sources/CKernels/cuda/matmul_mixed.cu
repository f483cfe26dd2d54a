// Products of bf16 activations with f32 and f16 weights (product_bf16.h), rounded to bf16 on their way into shared memory through ordinary
// loads: models are loaded as bf16 where this matters.
#include "product_bf16.h"

HOOF_PRODUCT(hoof_matmul_right_bf16_f32_small, float, SmallTile, true, true)
HOOF_PRODUCT(hoof_matmul_none_bf16_f32_small, float, SmallTile, true, false)
HOOF_PRODUCT(hoof_matmul_right_bf16_f16_small, f16, SmallTile, true, true)
HOOF_PRODUCT(hoof_matmul_none_bf16_f16_small, f16, SmallTile, true, false)
