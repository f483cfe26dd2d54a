#include "divergence.cu"
