#if __has_include("matmul_f32.cu")
#include "matmul_f32.cu"
#endif
