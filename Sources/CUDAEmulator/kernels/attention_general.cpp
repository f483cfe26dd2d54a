#include "attention_general.cu"
