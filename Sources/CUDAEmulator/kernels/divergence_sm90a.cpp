#include "divergence_sm90a.cu"
