#if __has_include("matvec.cu")
#include "matvec.cu"
#endif
