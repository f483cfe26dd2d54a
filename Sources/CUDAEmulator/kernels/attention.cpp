#if __has_include("attention.cu")
#include "attention.cu"
#endif
