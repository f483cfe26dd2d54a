#include "matvec.cu"
