// Products of up to eight f32 rows with weights of every type (matvec_dense.h, matvec_blocks.h).
#include "matvec_blocks.h"
#include "matvec_dense.h"

HOOF_DENSE_MATVEC(float, float, f32, f32)
HOOF_DENSE_MATVEC(float, f16, f32, f16)
HOOF_DENSE_MATVEC(float, bf16, f32, bf16)
HOOF_BLOCK_MATVEC(float, q8_0, f32)
HOOF_BLOCK_MATVEC(float, q4_K, f32)
