#if __has_include("matvec_f32.cu")
#include "matvec_f32.cu"
#endif
