#include "matmul_tf32.cu"
