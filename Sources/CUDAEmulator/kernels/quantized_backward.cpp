#if __has_include("quantized_backward.cu")
#include "quantized_backward.cu"
#endif
