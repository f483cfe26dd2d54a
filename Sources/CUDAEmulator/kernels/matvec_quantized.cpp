#include "matvec_quantized.cu"
