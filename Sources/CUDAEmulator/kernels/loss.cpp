#include "loss.cu"
