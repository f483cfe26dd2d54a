#include "norm.cu"
