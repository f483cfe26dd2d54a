#if __has_include("matmul_tf32.cu")
#include "matmul_tf32.cu"
#endif
