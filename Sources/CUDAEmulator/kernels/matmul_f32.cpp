#include "matmul_f32.cu"
