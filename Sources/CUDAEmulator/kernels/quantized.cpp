#include "quantized.cu"
#include "quantized_backward.cu"
