#include "matmul_backward.cu"
