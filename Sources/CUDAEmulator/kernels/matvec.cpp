#include "matvec.cu"
#include "matvec_f32.cu"
#include "matvec_quantized.cu"
