#if __has_include("norm.cu")
#include "norm.cu"
#endif
