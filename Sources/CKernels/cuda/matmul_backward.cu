// Products of bf16 operands whose rows lie across k: dx = dy·W and dW = dyᵀ·x of linear layers (product_bf16.h).
#include "product_bf16.h"

HOOF_PRODUCT(hoof_matmul_none_bf16_bf16, bf16, LargeTile, true, false)
HOOF_PRODUCT(hoof_matmul_left_bf16_bf16, bf16, LargeTile, false, false)
HOOF_PRODUCT(hoof_matmul_none_bf16_bf16_small, bf16, SmallTile, true, false)
HOOF_PRODUCT(hoof_matmul_left_bf16_bf16_small, bf16, SmallTile, false, false)
