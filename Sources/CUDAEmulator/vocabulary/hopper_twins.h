// What hopper.h wraps: arrival barriers, the tensor memory accelerator, warpgroup products.
#pragma once
#include "types.h"

struct TensorMap;

namespace simt {
void arrival_init(u64 *barrier, u32 count);
void arrival_expect(u64 *barrier, u32 bytes);
void arrival_arrive(u64 *barrier);
void arrival_wait(u64 *barrier, u32 parity);
void tensor_load(void *shared, const TensorMap *map, u64 *barrier, i32 x, i32 y);
void fence_async();
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(int pending);
/// d [64, n] = a [64, 16] · b [n, 16]ᵀ (+ d), both K-major in shared memory; the registers d are the products' own until a wait.
void wgmma(float *d, int n, u64 a, u64 b, bool accumulate);
void set_registers(int count);
}  // namespace simt

__forceinline__ void barrier_init(u64 *barrier, u32 count) { simt::arrival_init(barrier, count); }
__forceinline__ void barrier_fence() {}
__forceinline__ void barrier_expect(u64 *barrier, u32 bytes) { simt::arrival_expect(barrier, bytes); }
__forceinline__ void barrier_arrive(u64 *barrier) { simt::arrival_arrive(barrier); }
__forceinline__ void barrier_wait(u64 *barrier, u32 parity) { simt::arrival_wait(barrier, parity); }
__forceinline__ void tensor_load_2d(void *shared, const TensorMap *map, u64 *barrier, i32 x, i32 y) {
  simt::tensor_load(shared, map, barrier, x, y);
}
__forceinline__ void fence_async_shared() { simt::fence_async(); }
__forceinline__ void wgmma_fence() { simt::wgmma_fence(); }
__forceinline__ void wgmma_commit() { simt::wgmma_commit(); }
template <int pending> __forceinline__ void wgmma_wait() { simt::wgmma_wait(pending); }
#define HOOF_WGMMA(name, n) \
  __forceinline__ void name(float (&d)[n / 2], u64 a, u64 b, bool accumulate = true) { simt::wgmma(d, n, a, b, accumulate); }
HOOF_WGMMA(wgmma_m64n64k16, 64)
HOOF_WGMMA(wgmma_m64n128k16, 128)
HOOF_WGMMA(wgmma_m64n192k16, 192)
HOOF_WGMMA(wgmma_m64n256k16, 256)
#undef HOOF_WGMMA
template <int count> __forceinline__ void wgmma_hold(float (&)[count]) {}
template <int count> __forceinline__ void registers_increase() { simt::set_registers(count); }
template <int count> __forceinline__ void registers_decrease() { simt::set_registers(count); }
