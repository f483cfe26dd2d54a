// Products of bf16 activations with Q8_0 and Q4_K weights, a·bᵀ (product_bf16.h). The weights' bytes are decoded to bf16 on their way
// into shared memory (tile_blocks.h), 32 values a thread and slot: about 4 instructions a value, beside which the tensor cores stay the
// bottleneck from 128 rows on, and memory below.
#include "product_bf16.h"

HOOF_PRODUCT(hoof_matmul_right_bf16_q8_0, q8_0, LargeDecodedTile, true, true)
HOOF_PRODUCT(hoof_matmul_right_bf16_q4_K, q4_K, LargeDecodedTile, true, true)
HOOF_PRODUCT(hoof_matmul_right_bf16_q8_0_small, q8_0, SmallTile, true, true)
HOOF_PRODUCT(hoof_matmul_right_bf16_q4_K_small, q4_K, SmallTile, true, true)
