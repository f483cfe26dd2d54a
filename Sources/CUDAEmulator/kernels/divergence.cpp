#if __has_include("divergence.cu")
#include "divergence.cu"
#endif
