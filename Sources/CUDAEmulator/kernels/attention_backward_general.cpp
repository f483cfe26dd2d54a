#if __has_include("attention_backward_general.cu")
#include "attention_backward_general.cu"
#endif
