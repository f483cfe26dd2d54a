#if __has_include("attention_general.cu")
#include "attention_general.cu"
#endif
