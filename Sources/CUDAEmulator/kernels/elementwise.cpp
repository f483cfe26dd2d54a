#if __has_include("elementwise.cu")
#include "elementwise.cu"
#endif
