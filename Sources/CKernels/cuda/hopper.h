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

#define HOOF_ACCUMULATORS_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HOOF_ACCUMULATORS_16(d, i) \
  HOOF_ACCUMULATORS_4(d, i), HOOF_ACCUMULATORS_4(d, i + 4), HOOF_ACCUMULATORS_4(d, i + 8), HOOF_ACCUMULATORS_4(d, i + 12)
#define HOOF_ACCUMULATORS_32(d, i) HOOF_ACCUMULATORS_16(d, i), HOOF_ACCUMULATORS_16(d, i + 16)

// d [64, n] f32 = a [64, 16] · b [n, 16]ᵀ (+ d if `accumulate`), bf16 operands K-major in shared memory behind descriptors; by the whole
// warpgroup, between wgmma_fence and wgmma_commit, done after wgmma_wait. PTX ISA, "Asynchronous Warpgroup Level Matrix
// Multiply-Accumulate": after d come both descriptors, the predicate scale-d, then imm-scale-a = imm-scale-b = 1 and no transposition
// (tnspA = tnspB = 0). Thread t of the warpgroup holds rows 16·(t/32) + (t%32)/4 (+ 8) and columns 8·j + 2·(t%4) + {0, 1} in d[4·j + {0,
// 1}] (+ 2 for the row + 8).
HOOF_INLINE void wgmma_m64n64k16(float (&d)[32], u64 a, u64 b, bool accumulate = true) {
  asm volatile(
      "{\n.reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,"
      "%30,%31"
      "}, %32, %33, accumulate, 1, 1, 0, 0;\n}\n"
      : HOOF_ACCUMULATORS_32(d, 0)
      : "l"(a), "l"(b), "r"((int)accumulate));
}
HOOF_INLINE void wgmma_m64n128k16(float (&d)[64], u64 a, u64 b, bool accumulate = true) {
  asm volatile(
      "{\n.reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,"
      "%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,"
      "%57,%58,%59,%60,%61,%62,%63"
      "}, %64, %65, accumulate, 1, 1, 0, 0;\n}\n"
      : HOOF_ACCUMULATORS_32(d, 0), HOOF_ACCUMULATORS_32(d, 32)
      : "l"(a), "l"(b), "r"((int)accumulate));
}
HOOF_INLINE void wgmma_m64n192k16(float (&d)[96], u64 a, u64 b, bool accumulate = true) {
  asm volatile(
      "{\n.reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, %98, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n192k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,"
      "%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,"
      "%57,%58,%59,%60,%61,%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,"
      "%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
      "}, %96, %97, accumulate, 1, 1, 0, 0;\n}\n"
      : HOOF_ACCUMULATORS_32(d, 0), HOOF_ACCUMULATORS_32(d, 32), HOOF_ACCUMULATORS_32(d, 64)
      : "l"(a), "l"(b), "r"((int)accumulate));
}
HOOF_INLINE void wgmma_m64n256k16(float (&d)[128], u64 a, u64 b, bool accumulate = true) {
  asm volatile(
      "{\n.reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,"
      "%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,"
      "%57,%58,%59,%60,%61,%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,"
      "%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,"
      "%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
      "}, %128, %129, accumulate, 1, 1, 0, 0;\n}\n"
      : HOOF_ACCUMULATORS_32(d, 0), HOOF_ACCUMULATORS_32(d, 32), HOOF_ACCUMULATORS_32(d, 64), HOOF_ACCUMULATORS_32(d, 96)
      : "l"(a), "l"(b), "r"((int)accumulate));
}
#undef HOOF_ACCUMULATORS_32
#undef HOOF_ACCUMULATORS_16
#undef HOOF_ACCUMULATORS_4
/// After wgmma_wait: no use of d moves above it (the compiler sees that d was written by the product, not that it must be waited for).
template <int count> HOOF_INLINE void wgmma_hold(float (&d)[count]) {
#pragma unroll
  for (int i = 0; i < count; i++) asm volatile("" : "+f"(d[i])::"memory");
}

/// Registers per thread of the warpgroup from here on.
template <int count> HOOF_INLINE void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(count)); }
template <int count> HOOF_INLINE void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(count)); }
#endif

/// Descriptor of a K-major tile in shared memory (rows of 64 bf16 = 128 bytes, 128-byte swizzle, 1024-byte aligned): start address, stride
/// of 1024 bytes between groups of eight rows. PTX ISA, "Matrix Descriptor Format" of wgmma. The start moves by k·32 bytes inside the tile.
HOOF_INLINE u64 wgmma_descriptor(const void *tile) {
  u64 address = shared_address(tile);
  return ((address & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}
