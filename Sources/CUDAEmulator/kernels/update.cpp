#include "update.cu"
