#if __has_include("rows.cu")
#include "rows.cu"
#endif
