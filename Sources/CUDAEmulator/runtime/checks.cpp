// Every access must lie in a live allocation, in the block's shared memory or on the thread's own stack, and be aligned to its size.
#include "checks.h"

#include <link.h>
#include <stdio.h>

#include <string>

#include "device_memory.h"
#include "faults.h"
#include "fiber.h"
#include "races.h"
#include "settings.h"

namespace simt {
static Checks chosen_checks() {
  std::string text = setting("HOOF_EMULATOR_CHECKS");
  if (text.empty()) return {true, true};
  std::string all = "," + text + ",";
  auto has = [&](const char *name) { return all.find(std::string(",") + name + ",") != std::string::npos; };
  return {has("memory") || has("races"), has("races")};
}
const Checks checks = chosen_checks();

/// Constant tables of kernels lie in the read-only segments of this library (or program).
static bool is_constant(u64 address, u32 bytes) {
  struct Range {
    u64 start, end;
  };
  typedef std::vector<Range> Ranges;
  static const Ranges ranges = [] {
    Ranges all;
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *context) {
          Ranges found;
          bool mine = false;
          for (int i = 0; i < info->dlpi_phnum; i++) {
            const ElfW(Phdr) &segment = info->dlpi_phdr[i];
            u64 start = info->dlpi_addr + segment.p_vaddr, end = start + segment.p_memsz;
            if (segment.p_type == PT_LOAD && (u64)&is_constant >= start && (u64)&is_constant < end) mine = true;
            // Tables of addresses are read-only only after relocation: PT_GNU_RELRO.
            if ((segment.p_type == PT_LOAD && !(segment.p_flags & PF_W)) || segment.p_type == PT_GNU_RELRO) found.push_back({start, end});
          }
          if (mine) *(Ranges *)context = found;
          return mine ? 1 : 0;
        },
        &all);
    return all;
  }();
  for (const Range &r : ranges)
    if (address >= r.start && address + bytes <= r.end) return true;
  return false;
}

[[noreturn]] static __attribute__((noinline, cold)) void misaligned(u64 address, u32 bytes, u32 alignment, bool write) {
  const char *access = write ? "write" : "read";
  fail(misalignedAddress, "misaligned %s of %u bytes at %#llx, which is no multiple of %u", access, bytes, address, alignment);
}

[[noreturn]] static __attribute__((noinline, cold)) void outside(u64 address, u32 bytes, bool write) {
  char where[256];
  snprintf(where, sizeof where, "%s", device_memory().describe(address).c_str());
  fail(illegalAddress, "%s of %u bytes at %#llx, %s", write ? "write" : "read", bytes, address, where);
}

/// Neither device nor shared memory: the stack, a constant, or an error.
static __attribute__((noinline)) void check_elsewhere(Worker *w, u64 address, u32 bytes, bool write) {
  if (address - (u64)w->current->stack->low + bytes <= stackBytes) return;
  if (!write && is_constant(address, bytes)) return;
  outside(address, bytes, write);
}

static inline bool check_window(Worker *w, u64 address, u32 bytes, u32 alignment, bool write) {
  u64 offset = address - (u64)w->shared;
  if (offset >= sharedWindow) return false;
  if (address & (alignment - 1)) misaligned(address, bytes, alignment, write);
  for (u32 done = 0; done < bytes;) {
    u32 at = (u32)offset + done, inside = 16 - (at & 15), piece = bytes - done < inside ? bytes - done : inside;
    if ((at & 15) + piece > w->sharedValid[at >> 4])
      fail(illegalAddress, "%s of %u bytes outside of the block's shared memory, at offset %lld (dynamic: %zu bytes)",
           write ? "write" : "read", bytes, (i64)offset - (i64)dynamicSharedOffset, w->launch.dynamicShared);
    done += piece;
  }
  if (checks.races) record_access(*w, (u32)offset, bytes, write);
  return true;
}

void check_access(const void *pointer, u32 bytes, u32 alignment, bool write) {
  u64 address = (u64)pointer;
  u64 offset = address - arenaStart;
  if (offset < arenaBytes) {
    if (!checks.memory) return;
    if (address & (alignment - 1)) misaligned(address, bytes, alignment, write);
    if (!device_memory().isLive(address, bytes)) check_elsewhere(worker, address, bytes, write);
    return;
  }
  Worker *w = worker;
  if (!w || !w->current || !checks.memory) return;
  if (!check_window(w, address, bytes, alignment, write)) check_elsewhere(w, address, bytes, write);
}

void check_shared(const void *pointer, u32 bytes, u32 alignment, bool write) {
  Worker *w = worker;
  u64 address = (u64)pointer;
  if (address - (u64)w->shared >= sharedWindow) fail(illegalAddress, "%#llx is not in shared memory", address);
  if (address & (alignment - 1)) misaligned(address, bytes, alignment, write);
  if (checks.memory) check_window(w, address, bytes, alignment, write);
}

void check_global(const void *pointer, u32 bytes, u32 alignment, bool write) {
  u64 address = (u64)pointer;
  if (address & (alignment - 1)) misaligned(address, bytes, alignment, write);
  if (checks.memory && !device_memory().isLive(address, bytes))
    outside(address, bytes, write);
}
}  // namespace simt
