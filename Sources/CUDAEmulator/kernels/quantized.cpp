#if __has_include("quantized.cu")
#include "quantized.cu"
#endif
