#if __has_include("gate.cu")
#include "gate.cu"
#endif
