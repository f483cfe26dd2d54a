#if __has_include("attention_backward.cu")
#include "attention_backward.cu"
#endif
