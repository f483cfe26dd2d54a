#include "matmul_mixed.cu"
