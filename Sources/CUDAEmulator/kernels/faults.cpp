#include "faults.cu"
