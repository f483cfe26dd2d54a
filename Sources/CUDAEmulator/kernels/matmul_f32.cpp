#include "matmul_f32.cu"
#include "matmul_tf32.cu"
