#if __has_include("matmul_backward.cu")
#include "matmul_backward.cu"
#endif
