#if __has_include("rope.cu")
#include "rope.cu"
#endif
