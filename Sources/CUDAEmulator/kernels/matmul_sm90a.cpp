#if __has_include("matmul_sm90a.cu")
#include "matmul_sm90a.cu"
#endif
