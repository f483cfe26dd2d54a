#include "copy.cu"
