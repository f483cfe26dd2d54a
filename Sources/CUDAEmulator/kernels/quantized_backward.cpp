#include "quantized_backward.cu"
