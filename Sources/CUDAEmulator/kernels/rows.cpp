#include "rows.cu"
