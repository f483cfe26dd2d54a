#if __has_include("divergence_sm90a.cu")
#include "divergence_sm90a.cu"
#endif
