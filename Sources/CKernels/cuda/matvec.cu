// Products of up to eight bf16 rows with dense weights (matvec_dense.h).
#include "matvec_dense.h"

HOOF_DENSE_MATVEC(bf16, bf16, bf16, bf16)
HOOF_DENSE_MATVEC(bf16, f16, bf16, f16)
HOOF_DENSE_MATVEC(bf16, float, bf16, f32)
