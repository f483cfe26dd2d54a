#include "matmul_sm90a.cu"
