// Products of up to eight bf16 rows with Q8_0 and Q4_K weights (matvec_blocks.h).
#include "matvec_blocks.h"

HOOF_BLOCK_MATVEC(bf16, q8_0, bf16)
HOOF_BLOCK_MATVEC(bf16, q4_K, bf16)
