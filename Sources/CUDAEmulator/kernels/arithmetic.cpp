#include "arithmetic.cu"
