#if __has_include("update.cu")
#include "update.cu"
#endif
