#include "attention_backward_general.cu"
