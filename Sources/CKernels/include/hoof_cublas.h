#ifndef HOOF_CUBLAS_H
#define HOOF_CUBLAS_H

#include <stddef.h>

#include "hoof_cuda.h"

// What this program uses of cuBLAS (11 and newer), declared as hoof_cuda.h declares the driver. Handles are opaque; enums are unsigned
// integers but for cublasGemmAlgo_t, which has a negative value.

typedef struct cublasContext *hoof_cublas_handle;

/// X(name in the library, parameters); all return a cublasStatus_t.
#define HOOF_CUBLAS_CALLS(X)                                                                                              \
  X(cublasCreate_v2, hoof_cublas_handle *handle)                                                                          \
  X(cublasDestroy_v2, hoof_cublas_handle handle)                                                                          \
  X(cublasGetVersion_v2, hoof_cublas_handle handle, int *version)                                                         \
  X(cublasSetStream_v2, hoof_cublas_handle handle, hoof_cu_stream stream)                                                 \
  X(cublasSetWorkspace_v2, hoof_cublas_handle handle, void *workspace, size_t bytes)                                      \
  X(cublasSetMathMode, hoof_cublas_handle handle, unsigned int mode)                                                      \
  X(cublasGemmEx, hoof_cublas_handle handle, unsigned int transpose_a, unsigned int transpose_b, int m, int n, int k,     \
    const void *alpha, const void *a, unsigned int a_type, int a_stride, const void *b, unsigned int b_type, int b_stride, \
    const void *beta, void *c, unsigned int c_type, int c_stride, unsigned int compute, int algorithm)

/// X(name in cublas_api.h or library_types.h, value)
#define HOOF_CUBLAS_CONSTANTS(X)                              \
  X(CUBLAS_STATUS_SUCCESS, 0)                                 \
  X(CUBLAS_OP_N, 0)                                           \
  X(CUBLAS_OP_T, 1)                                           \
  X(CUBLAS_DEFAULT_MATH, 0)                                   \
  X(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION, 16)     \
  X(CUDA_R_32F, 0)                                            \
  X(CUDA_R_16BF, 14)                                          \
  X(CUBLAS_COMPUTE_32F, 68)                                   \
  X(CUBLAS_COMPUTE_32F_FAST_TF32, 77)                         \
  X(CUBLAS_GEMM_DEFAULT, -1)

enum {
#define HOOF_CUBLAS_CONSTANT(name, value) HOOF_##name = value,
  HOOF_CUBLAS_CONSTANTS(HOOF_CUBLAS_CONSTANT)
#undef HOOF_CUBLAS_CONSTANT
};

struct hoof_cublas_calls {
#define HOOF_CUBLAS_FIELD(name, ...) unsigned int (*name)(__VA_ARGS__);
  HOOF_CUBLAS_CALLS(HOOF_CUBLAS_FIELD)
#undef HOOF_CUBLAS_FIELD
};

/// Name of entry `index` of the table, as the library exports it; null past the last.
const char *hoof_cublas_call_name(size_t index);

#endif
