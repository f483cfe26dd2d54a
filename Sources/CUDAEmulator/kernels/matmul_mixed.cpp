#if __has_include("matmul_mixed.cu")
#include "matmul_mixed.cu"
#endif
