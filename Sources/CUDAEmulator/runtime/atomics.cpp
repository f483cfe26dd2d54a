// Atomics of global memory (blocks run on several cores) and of shared memory.
#include "checks.h"
#include "faults.h"
#include "races.h"

namespace simt {
/// Atomics race with plain accesses but not with each other, so they are not recorded: only where they point is checked.
static void check(const void *p, u32 bytes) {
  Worker *w = worker;
  u64 offset = (u64)p - (u64)w->shared;
  if (offset >= sharedWindow) return check_global(p, bytes, bytes, true);
  if (offset % bytes) fail(misalignedAddress, "misaligned atomic of %u bytes at %p", bytes, p);
  if (checks.memory && (offset & 15) + bytes > w->sharedValid[offset / 16])
    fail(illegalAddress, "atomic outside of the block's shared memory, at offset %lld", (i64)offset - (i64)dynamicSharedOffset);
}

template <class T> static T apply(Atomic operation, T *p, T value) {
  check(p, sizeof(T));
  switch (operation) {
    case Atomic::add: return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
    case Atomic::min: return __atomic_fetch_min(p, value, __ATOMIC_RELAXED);
    case Atomic::max: return __atomic_fetch_max(p, value, __ATOMIC_RELAXED);
    case Atomic::exchange: return __atomic_exchange_n(p, value, __ATOMIC_RELAXED);
    case Atomic::bitAnd: return __atomic_fetch_and(p, value, __ATOMIC_RELAXED);
    case Atomic::bitOr: return __atomic_fetch_or(p, value, __ATOMIC_RELAXED);
    case Atomic::bitXor: return __atomic_fetch_xor(p, value, __ATOMIC_RELAXED);
  }
  __builtin_unreachable();
}
i32 atomic(Atomic operation, i32 *p, i32 value) { return apply(operation, p, value); }
u32 atomic(Atomic operation, u32 *p, u32 value) { return apply(operation, p, value); }
u64 atomic(Atomic operation, u64 *p, u64 value) { return apply(operation, p, value); }

template <class T> static T compare(T *p, T expected, T value) {
  check(p, sizeof(T));
  __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
u32 atomic_compare(u32 *p, u32 expected, u32 value) { return compare(p, expected, value); }
u64 atomic_compare(u64 *p, u64 expected, u64 value) { return compare(p, expected, value); }

float atomic_add(float *p, float value) {
  check(p, 4);
  u32 *word = (u32 *)p, old = __atomic_load_n(word, __ATOMIC_RELAXED);
  for (;;) {
    float sum = __builtin_bit_cast(float, old) + value;
    if (__atomic_compare_exchange_n(word, &old, __builtin_bit_cast(u32, sum), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return __builtin_bit_cast(float, old);
  }
}
}  // namespace simt
