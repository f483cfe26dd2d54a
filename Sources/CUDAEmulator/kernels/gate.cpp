#include "gate.cu"
