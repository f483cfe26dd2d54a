#include "matmul.cu"
#include "matmul_backward.cu"
#include "matmul_mixed.cu"
