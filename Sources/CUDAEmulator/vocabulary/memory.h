// Loads with hints, atomics, and copies in the background (cp.async).
#pragma once
#include "threads.h"

template <class T> __forceinline__ T __ldg(const T *p) { return *p; }
template <class T> __forceinline__ T __ldcs(const T *p) { return *p; }
template <class T> __forceinline__ T __ldcg(const T *p) { return *p; }
template <class T> __forceinline__ T __ldca(const T *p) { return *p; }
template <class T> __forceinline__ T __ldlu(const T *p) { return *p; }
template <class T> __forceinline__ T __ldcv(const T *p) { return *p; }
template <class T> __forceinline__ void __stcs(T *p, T value) { *p = value; }
template <class T> __forceinline__ void __stcg(T *p, T value) { *p = value; }
template <class T> __forceinline__ void __stwt(T *p, T value) { *p = value; }

/// Fetches a line ahead, if it can: it may point anywhere.
__forceinline__ void prefetch_l2(const void *) {}

namespace simt {
enum class Atomic { add, min, max, exchange, bitAnd, bitOr, bitXor };
i32 atomic(Atomic operation, i32 *p, i32 value);
u32 atomic(Atomic operation, u32 *p, u32 value);
u64 atomic(Atomic operation, u64 *p, u64 value);
u32 atomic_compare(u32 *p, u32 expected, u32 value);
u64 atomic_compare(u64 *p, u64 expected, u64 value);
float atomic_add(float *p, float value);

void copy_async(void *shared, const void *global, int bytes, bool wanted);
void copy_async_commit();
void copy_async_wait(int pending);
/// The address in the block's 32-bit window of shared memory.
u32 shared_address(const void *p);
}  // namespace simt

#define HOOF_ATOMIC(name, operation)                                                                                 \
  __forceinline__ i32 name(i32 *p, i32 value) { return simt::atomic(simt::Atomic::operation, p, value); }            \
  __forceinline__ u32 name(u32 *p, u32 value) { return simt::atomic(simt::Atomic::operation, p, value); }            \
  __forceinline__ u64 name(u64 *p, u64 value) { return simt::atomic(simt::Atomic::operation, p, value); }
HOOF_ATOMIC(atomicAdd, add)
HOOF_ATOMIC(atomicMin, min)
HOOF_ATOMIC(atomicMax, max)
HOOF_ATOMIC(atomicExch, exchange)
HOOF_ATOMIC(atomicAnd, bitAnd)
HOOF_ATOMIC(atomicOr, bitOr)
HOOF_ATOMIC(atomicXor, bitXor)
#undef HOOF_ATOMIC
__forceinline__ float atomicAdd(float *p, float value) { return simt::atomic_add(p, value); }
__forceinline__ u32 atomicCAS(u32 *p, u32 expected, u32 value) { return simt::atomic_compare(p, expected, value); }
__forceinline__ u64 atomicCAS(u64 *p, u64 expected, u64 value) { return simt::atomic_compare(p, expected, value); }
__forceinline__ i32 atomicCAS(i32 *p, i32 expected, i32 value) {
  return (i32)simt::atomic_compare((u32 *)p, (u32)expected, (u32)value);
}

__forceinline__ u32 shared_address(const void *p) { return simt::shared_address(p); }
/// 16 bytes to shared memory in the background; zeros if !wanted (global is then not read).
__forceinline__ void copy_async_16(void *shared, const void *global, bool wanted) { simt::copy_async(shared, global, 16, wanted); }
__forceinline__ void copy_async_4(void *shared, const void *global, bool wanted) { simt::copy_async(shared, global, 4, wanted); }
__forceinline__ void copy_async_commit() { simt::copy_async_commit(); }
template <int pending> __forceinline__ void copy_async_wait() { simt::copy_async_wait(pending); }
