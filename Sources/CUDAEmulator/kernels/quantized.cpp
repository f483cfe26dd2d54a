#include "quantized.cu"
