// Kernel files are compiled with -fsanitize=thread for the calls it plants before every load and store; these are they. Nothing of the
// sanitizer's own runtime is linked.
#include "checks.h"
#include "device_memory.h"

#define HOOF_HOOK extern "C" __attribute__((visibility("hidden"))) void

namespace simt {
template <u32 bytes, bool write> static inline __attribute__((always_inline)) void hook(void *pointer) {
  u64 address = (u64)pointer, offset = address - arenaStart;
  if (__builtin_expect(offset < arenaBytes, 1)) {
    // Inside of one granule, as every aligned access is, its count of live bytes decides.
    u32 at = (u32)(offset & (granuleBytes - 1));
    if (__builtin_expect(at + bytes <= liveBytes[offset / granuleBytes] && !(address & (bytes - 1)), 1)) return;
  }
  check_access(pointer, bytes, bytes, write);
}
}  // namespace simt

#define HOOF_HOOKS(bytes)                                                                                      \
  HOOF_HOOK __tsan_read##bytes(void *p) { simt::hook<bytes, false>(p); }                                       \
  HOOF_HOOK __tsan_write##bytes(void *p) { simt::hook<bytes, true>(p); }                                       \
  HOOF_HOOK __tsan_volatile_read##bytes(void *p) { simt::hook<bytes, false>(p); }                              \
  HOOF_HOOK __tsan_volatile_write##bytes(void *p) { simt::hook<bytes, true>(p); }                              \
  HOOF_HOOK __tsan_unaligned_read##bytes(void *p) { simt::check_access(p, bytes, 1, false); }                  \
  HOOF_HOOK __tsan_unaligned_write##bytes(void *p) { simt::check_access(p, bytes, 1, true); }                  \
  HOOF_HOOK __tsan_unaligned_volatile_read##bytes(void *p) { simt::check_access(p, bytes, 1, false); }         \
  HOOF_HOOK __tsan_unaligned_volatile_write##bytes(void *p) { simt::check_access(p, bytes, 1, true); }         \
  HOOF_HOOK __tsan_read_write##bytes(void *p) { simt::hook<bytes, true>(p); }                                  \
  HOOF_HOOK __tsan_unaligned_read_write##bytes(void *p) { simt::check_access(p, bytes, 1, true); }
HOOF_HOOKS(1)
HOOF_HOOKS(2)
HOOF_HOOKS(4)
HOOF_HOOKS(8)
HOOF_HOOKS(16)

HOOF_HOOK __tsan_init() {}
HOOF_HOOK __tsan_func_entry(void *) {}
HOOF_HOOK __tsan_func_exit() {}
HOOF_HOOK __tsan_ignore_thread_begin() {}
HOOF_HOOK __tsan_ignore_thread_end() {}
HOOF_HOOK __tsan_vptr_update(void **, void *) {}
HOOF_HOOK __tsan_vptr_read(void **) {}
HOOF_HOOK __tsan_read_range(void *p, unsigned long bytes) { simt::check_access(p, (u32)bytes, 1, false); }
HOOF_HOOK __tsan_write_range(void *p, unsigned long bytes) { simt::check_access(p, (u32)bytes, 1, true); }

extern "C" __attribute__((visibility("hidden"))) void *__tsan_memcpy(void *to, const void *from, unsigned long bytes) {
  if (bytes) {
    simt::check_access(from, (u32)bytes, 1, false);
    simt::check_access(to, (u32)bytes, 1, true);
  }
  return __builtin_memcpy(to, from, bytes);
}
extern "C" __attribute__((visibility("hidden"))) void *__tsan_memmove(void *to, const void *from, unsigned long bytes) {
  if (bytes) {
    simt::check_access(from, (u32)bytes, 1, false);
    simt::check_access(to, (u32)bytes, 1, true);
  }
  return __builtin_memmove(to, from, bytes);
}
extern "C" __attribute__((visibility("hidden"))) void *__tsan_memset(void *to, int value, unsigned long bytes) {
  if (bytes) simt::check_access(to, (u32)bytes, 1, true);
  return __builtin_memset(to, value, bytes);
}
