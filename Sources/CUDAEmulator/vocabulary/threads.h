// Who a thread is, the block's barriers and its shared memory.
#pragma once
#include "types.h"

namespace simt {
// A thread is the same all its life, so these may be called once and kept.
__attribute__((const)) uint3 thread_index();
__attribute__((const)) uint3 block_index();
__attribute__((const)) uint3 block_size();
__attribute__((const)) uint3 grid_size();

void barrier(int id, int threads);
u32 barrier_count(int predicate);
/// Where the block keeps the array that a declaration names by its tag.
void *static_shared(const void *tag, size_t bytes);
__attribute__((const)) void *dynamic_shared();
[[noreturn]] void trap();
}  // namespace simt

#define threadIdx (simt::thread_index())
#define blockIdx (simt::block_index())
#define blockDim (simt::block_size())
#define gridDim (simt::grid_size())
#define warpSize 32

#define HOOF_KERNEL extern "C" void
#define HOOF_SHARED(type, name, count)      \
  static const char hoof_tag_of_##name = 0; \
  type(&name)[count] = *reinterpret_cast<type(*)[count]>(simt::static_shared(&hoof_tag_of_##name, sizeof(type) * (count)))
#define HOOF_DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(simt::dynamic_shared())

__forceinline__ void __syncthreads() { simt::barrier(0, 0); }
__forceinline__ int __syncthreads_count(int predicate) { return (int)simt::barrier_count(predicate); }
__forceinline__ int __syncthreads_or(int predicate) { return simt::barrier_count(predicate) != 0; }
__forceinline__ int __syncthreads_and(int predicate) { return simt::barrier_count(!predicate) == 0; }
/// Barrier `id` (1...15) for `threads` threads.
__forceinline__ void named_barrier(int id, int threads) { simt::barrier(id, threads); }
__forceinline__ void __trap() { simt::trap(); }

// Memory is one and coherent here; what orders shared memory between threads is checked at barriers (runtime/races.cpp).
__forceinline__ void __threadfence() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
__forceinline__ void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
__forceinline__ void __threadfence_system() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
