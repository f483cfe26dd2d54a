#if __has_include("loss.cu")
#include "loss.cu"
#endif
