#if __has_include("copy.cu")
#include "copy.cu"
#endif
