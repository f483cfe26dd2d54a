#if __has_include("matvec_quantized.cu")
#include "matvec_quantized.cu"
#endif
