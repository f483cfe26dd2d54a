#include "matvec_f32.cu"
