// Products of bf16 gradients with Q8_0 and Q4_K weights whose blocks lie along n, dx = dy·W (product_bf16.h, tile_blocks.h).
#include "product_bf16.h"

HOOF_PRODUCT(hoof_matmul_none_bf16_q8_0, q8_0, LargeDecodedTile, true, false)
HOOF_PRODUCT(hoof_matmul_none_bf16_q4_K, q4_K, LargeDecodedTile, true, false)
HOOF_PRODUCT(hoof_matmul_none_bf16_q8_0_small, q8_0, SmallTile, true, false)
HOOF_PRODUCT(hoof_matmul_none_bf16_q4_K_small, q4_K, SmallTile, true, false)
