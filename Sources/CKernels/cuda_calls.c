#include "hoof_cublas.h"
#include "hoof_cuda.h"

#define NAME(name, ...) #name,
#define ONE(name, ...) +1

static const char *const driver_names[] = {HOOF_CUDA_CALLS(NAME) HOOF_CUDA_OPTIONAL_CALLS(NAME)};
static const char *const blas_names[] = {HOOF_CUBLAS_CALLS(NAME)};

_Static_assert(sizeof(struct hoof_cuda_calls) == sizeof driver_names, "one name for each entry");
_Static_assert(sizeof(struct hoof_cublas_calls) == sizeof blas_names, "one name for each entry");

const char *hoof_cuda_call_name(size_t index) { return index < sizeof driver_names / sizeof *driver_names ? driver_names[index] : 0; }
size_t hoof_cuda_required_calls(void) { return 0 HOOF_CUDA_CALLS(ONE); }
const char *hoof_cublas_call_name(size_t index) { return index < sizeof blas_names / sizeof *blas_names ? blas_names[index] : 0; }
