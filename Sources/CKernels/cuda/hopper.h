// Wrappers around what only sm_90a has: the tensor memory accelerator, its barriers, and warpgroup matrix products. Include it from
// *_sm90a.cu files only; each wrapper has a twin in the emulator.
#pragma once
#include "device.h"

/// A CUtensorMap, filled by the driver's cuTensorMapEncodeTiled; a kernel takes it as `const __grid_constant__ TensorMap`.
struct alignas(64) TensorMap {
  u64 words[16];
};

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
/// An arrival barrier in shared memory. A phase completes when `count` arrivals and all expected bytes are in; parity starts at 0.
HOOF_INLINE void barrier_init(u64 *barrier, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
/// Makes initialised barriers visible to the copy engine; before the __syncthreads that follows the initialisation.
HOOF_INLINE void barrier_fence() { asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory"); }
/// Arrives and adds `bytes` to what this phase waits for.
HOOF_INLINE void barrier_expect(u64 *barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}
HOOF_INLINE void barrier_arrive(u64 *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(barrier)) : "memory");
}
/// Waits until the phase of this parity is complete.
HOOF_INLINE void barrier_wait(u64 *barrier, u32 parity) {
  asm volatile(
      "{\n.reg .pred done;\nWAIT_%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra DONE_%=;\nbra WAIT_%=;\nDONE_%=:\n}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}
/// One thread: copies the map's box at column x, row y into shared memory (swizzled as the map says; outside the tensor: zeros) and
/// counts its bytes on the barrier.
HOOF_INLINE void tensor_load_2d(void *shared, const TensorMap *map, u64 *barrier, i32 x, i32 y) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];\n" ::"r"(
                   shared_address(shared)),
               "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y)
               : "memory");
}
/// Orders this thread's ordinary writes to shared memory before later reads by wgmma or the copy engine.
HOOF_INLINE void fence_async_shared() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }

HOOF_INLINE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
HOOF_INLINE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
template <int pending> HOOF_INLINE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(pending) : "memory"); }

/// Registers per thread of the warpgroup from here on.
template <int count> HOOF_INLINE void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(count)); }
template <int count> HOOF_INLINE void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(count)); }
#endif

/// Descriptor of a K-major tile in shared memory (rows of 64 bf16 = 128 bytes, 128-byte swizzle, 1024-byte aligned): start address, stride of
/// 1024 bytes between groups of eight rows. PTX ISA, "Matrix Descriptor Format" of wgmma. The start moves by k·32 bytes inside the tile.
HOOF_INLINE u64 wgmma_descriptor(const void *tile) {
  u64 address = shared_address(tile);
  return ((address & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}
