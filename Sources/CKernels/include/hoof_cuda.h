#ifndef HOOF_CUDA_H
#define HOOF_CUDA_H

#include <stddef.h>
#include <stdint.h>

// What this program uses of NVIDIA's driver interface, declared here so that building it needs no header of NVIDIA's.
// Tests/CUDATests compares every line below with cuda.h where one is found: each type, each constant, each size.

typedef unsigned int hoof_cu_result;
typedef int hoof_cu_device;
typedef unsigned long long hoof_cu_address;
typedef struct CUctx_st *hoof_cu_context;
typedef struct CUstream_st *hoof_cu_stream;
typedef struct CUevent_st *hoof_cu_event;
typedef struct CUmod_st *hoof_cu_module;
typedef struct CUfunc_st *hoof_cu_function;
typedef struct CUmemPoolHandle_st *hoof_cu_pool;
struct CUtensorMap_st;

/// X(name in the library, parameters); all return a CUresult.
#define HOOF_CUDA_CALLS(X)                                                                                               \
  X(cuInit, unsigned int flags)                                                                                          \
  X(cuDriverGetVersion, int *version)                                                                                    \
  X(cuGetErrorName, hoof_cu_result code, const char **text)                                                              \
  X(cuGetErrorString, hoof_cu_result code, const char **text)                                                            \
  X(cuDeviceGetCount, int *count)                                                                                        \
  X(cuDeviceGet, hoof_cu_device *device, int ordinal)                                                                    \
  X(cuDeviceGetName, char *name, int capacity, hoof_cu_device device)                                                    \
  X(cuDeviceGetAttribute, int *value, unsigned int attribute, hoof_cu_device device)                                     \
  X(cuDeviceTotalMem_v2, size_t *bytes, hoof_cu_device device)                                                           \
  X(cuDevicePrimaryCtxRetain, hoof_cu_context *context, hoof_cu_device device)                                           \
  X(cuDevicePrimaryCtxRelease_v2, hoof_cu_device device)                                                                 \
  X(cuCtxSetCurrent, hoof_cu_context context)                                                                            \
  X(cuMemGetInfo_v2, size_t *free, size_t *total)                                                                        \
  X(cuDeviceGetDefaultMemPool, hoof_cu_pool *pool, hoof_cu_device device)                                                \
  X(cuMemPoolSetAttribute, hoof_cu_pool pool, unsigned int attribute, void *value)                                       \
  X(cuMemPoolTrimTo, hoof_cu_pool pool, size_t kept)                                                                     \
  X(cuMemAllocAsync, hoof_cu_address *address, size_t bytes, hoof_cu_stream stream)                                      \
  X(cuMemFreeAsync, hoof_cu_address address, hoof_cu_stream stream)                                                      \
  X(cuMemHostAlloc, void **address, size_t bytes, unsigned int flags)                                                    \
  X(cuMemFreeHost, void *address)                                                                                        \
  X(cuMemcpyHtoDAsync_v2, hoof_cu_address to, const void *from, size_t bytes, hoof_cu_stream stream)                     \
  X(cuMemcpyDtoHAsync_v2, void *to, hoof_cu_address from, size_t bytes, hoof_cu_stream stream)                           \
  X(cuMemcpyDtoDAsync_v2, hoof_cu_address to, hoof_cu_address from, size_t bytes, hoof_cu_stream stream)                 \
  X(cuMemsetD8Async, hoof_cu_address to, unsigned char value, size_t count, hoof_cu_stream stream)                       \
  X(cuMemsetD32Async, hoof_cu_address to, unsigned int value, size_t count, hoof_cu_stream stream)                       \
  X(cuStreamCreate, hoof_cu_stream *stream, unsigned int flags)                                                          \
  X(cuStreamDestroy_v2, hoof_cu_stream stream)                                                                           \
  X(cuStreamSynchronize, hoof_cu_stream stream)                                                                          \
  X(cuStreamWaitEvent, hoof_cu_stream stream, hoof_cu_event event, unsigned int flags)                                   \
  X(cuEventCreate, hoof_cu_event *event, unsigned int flags)                                                             \
  X(cuEventRecord, hoof_cu_event event, hoof_cu_stream stream)                                                           \
  X(cuEventSynchronize, hoof_cu_event event)                                                                             \
  X(cuEventQuery, hoof_cu_event event)                                                                                   \
  X(cuEventElapsedTime, float *milliseconds, hoof_cu_event start, hoof_cu_event end)                                     \
  X(cuEventDestroy_v2, hoof_cu_event event)                                                                              \
  X(cuModuleLoadDataEx, hoof_cu_module *module, const void *image, unsigned int count, unsigned int *options, void **values) \
  X(cuModuleUnload, hoof_cu_module module)                                                                               \
  X(cuModuleGetFunction, hoof_cu_function *function, hoof_cu_module module, const char *name)                            \
  X(cuFuncSetAttribute, hoof_cu_function function, unsigned int attribute, int value)                                    \
  X(cuFuncGetAttribute, int *value, unsigned int attribute, hoof_cu_function function)                                   \
  X(cuLaunchKernel, hoof_cu_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,            \
    unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, hoof_cu_stream stream,  \
    void **parameters, void **extra)

/// Calls an older driver or the emulator may lack; their entries are then null.
#define HOOF_CUDA_OPTIONAL_CALLS(X)                                                                                      \
  X(cuMemPoolGetAttribute, hoof_cu_pool pool, unsigned int attribute, void *value)                                       \
  X(cuTensorMapEncodeTiled, struct CUtensorMap_st *map, unsigned int type, uint32_t rank, void *address,                 \
    const uint64_t *sizes, const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides,                \
    unsigned int interleave, unsigned int swizzle, unsigned int promotion, unsigned int fill)

/// X(name in cuda.h, value)
#define HOOF_CUDA_CONSTANTS(X)                              \
  X(CUDA_SUCCESS, 0)                                        \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2)                            \
  X(CUDA_ERROR_NO_DEVICE, 100)                              \
  X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)           \
  X(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38)                  \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)       \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)       \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97) \
  X(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)        \
  X(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)                   \
  X(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, 5)                \
  X(CU_MEMPOOL_ATTR_USED_MEM_CURRENT, 7)                    \
  X(CU_MEMHOSTALLOC_PORTABLE, 1)                            \
  X(CU_STREAM_NON_BLOCKING, 1)                              \
  X(CU_EVENT_DEFAULT, 0)                                    \
  X(CU_EVENT_DISABLE_TIMING, 2)                             \
  X(CU_JIT_INFO_LOG_BUFFER, 3)                              \
  X(CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, 4)                   \
  X(CU_JIT_ERROR_LOG_BUFFER, 5)                             \
  X(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6)                  \
  X(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1)                 \
  X(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8)     \
  X(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 9)                    \
  X(CU_TENSOR_MAP_INTERLEAVE_NONE, 0)                       \
  X(CU_TENSOR_MAP_SWIZZLE_128B, 3)                          \
  X(CU_TENSOR_MAP_L2_PROMOTION_L2_256B, 3)                  \
  X(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE, 0)

enum {
#define HOOF_CUDA_CONSTANT(name, value) HOOF_##name = value,
  HOOF_CUDA_CONSTANTS(HOOF_CUDA_CONSTANT)
#undef HOOF_CUDA_CONSTANT
  /// Keys of cuLaunchKernel's `extra`: pointers in cuda.h.
  HOOF_CU_LAUNCH_PARAM_END = 0,
  HOOF_CU_LAUNCH_PARAM_BUFFER_POINTER = 1,
  HOOF_CU_LAUNCH_PARAM_BUFFER_SIZE = 2,
  /// Bytes and alignment of a CUtensorMap.
  HOOF_CU_TENSOR_MAP_BYTES = 128,
  HOOF_CU_TENSOR_MAP_ALIGNMENT = 64,
};

#define HOOF_CUDA_TYPE(name, ...) typedef hoof_cu_result hoof_type_##name(__VA_ARGS__);
HOOF_CUDA_CALLS(HOOF_CUDA_TYPE)
HOOF_CUDA_OPTIONAL_CALLS(HOOF_CUDA_TYPE)
#undef HOOF_CUDA_TYPE

/// The driver's entry points, in the order of `hoof_cuda_call_name`.
struct hoof_cuda_calls {
#define HOOF_CUDA_FIELD(name, ...) hoof_cu_result (*name)(__VA_ARGS__);
  HOOF_CUDA_CALLS(HOOF_CUDA_FIELD)
  HOOF_CUDA_OPTIONAL_CALLS(HOOF_CUDA_FIELD)
#undef HOOF_CUDA_FIELD
};

/// Name of entry `index`, as the library exports it; null past the last. Entries from `hoof_cuda_required_calls` on may be absent.
const char *hoof_cuda_call_name(size_t index);
size_t hoof_cuda_required_calls(void);

#endif
