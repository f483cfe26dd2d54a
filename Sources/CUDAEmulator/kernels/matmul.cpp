#if __has_include("matmul.cu")
#include "matmul.cu"
#endif
