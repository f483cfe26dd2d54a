// First fit from where the last allocation ended, so that freed addresses come back late and a use after free is seen. The range is eight
// times the device's memory. Fresh memory is poisoned: 0xff is NaN in every floating type.
#include "device_memory.h"

#include <stdio.h>
#include <sys/mman.h>

#include "settings.h"

namespace simt {
u64 arenaStart = ~0ull, arenaBytes = 0;
u16 *liveBytes;

static void *reserve(u64 bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    fprintf(stderr, "CUDAEmulator: no address space for %llu bytes\n", bytes);
    abort();
  }
  return p;
}

DeviceMemory::DeviceMemory() {
  total = setting("HOOF_EMULATOR_MEMORY", 4ull << 30);
  u64 bytes = (total * 8 + (64ull << 20)) / 4096 * 4096;
  liveBytes = (u16 *)reserve(bytes / granuleBytes * sizeof(u16) + 4096);
  arenaStart = ((u64)reserve(bytes + (2ull << 20)) + (2ull << 20) - 1) & ~((2ull << 20) - 1);
  nextFit = arenaStart;
  arenaBytes = bytes;
}

DeviceMemory &device_memory() {
  static DeviceMemory memory;
  return memory;
}

/// Start of `span` free addresses, 0 if there are none.
u64 DeviceMemory::find(u64 span) {
  for (int lap = 0; lap < 2; lap++) {
    u64 start = lap ? arenaStart : nextFit;
    auto block = blocks.lower_bound(start);
    if (block != blocks.begin()) {
      auto before = std::prev(block);
      if (before->first + before->second.span > start) start = before->first + before->second.span;
    }
    for (;; ++block) {
      u64 end = block == blocks.end() ? arenaStart + arenaBytes : block->first;
      if (end >= start && end - start >= span) return start;
      if (block == blocks.end()) break;
      start = block->first + block->second.span;
    }
  }
  return 0;
}

u64 DeviceMemory::allocate(u64 bytes) {
  if (bytes > total || used + bytes > total) return 0;
  u64 span = (bytes + granuleBytes - 1) / granuleBytes * granuleBytes + granuleBytes;
  // Large allocations start at a page and may be given back to the system.
  u64 address = find(span);
  if (!address) return 0;
  blocks[address] = {bytes, span, false};
  for (auto g = graves.lower_bound(address); g != graves.end() && g->first < address + span;) g = graves.erase(g);
  used += bytes;
  nextFit = address + span;
  memset((void *)address, 0xff, bytes);
  return address;
}

void DeviceMemory::enliven(u64 address) {
  auto block = blocks.find(address);
  if (block == blocks.end()) return;
  block->second.live = true;
  u64 granule = (address - arenaStart) / granuleBytes, bytes = block->second.bytes;
  for (; bytes >= granuleBytes; bytes -= granuleBytes) liveBytes[granule++] = granuleBytes;
  liveBytes[granule] = (u16)bytes;
}

bool DeviceMemory::kill(u64 address) {
  auto block = blocks.find(address);
  if (block == blocks.end() || !block->second.live) return false;
  u64 bytes = block->second.bytes;
  memset(&liveBytes[(address - arenaStart) / granuleBytes], 0, (bytes / granuleBytes + 1) * sizeof(u16));
  u64 page = (address + 4095) & ~4095ull, end = (address + bytes) & ~4095ull;
  if (end > page && end - page >= 1 << 20) madvise((void *)page, end - page, MADV_DONTNEED);
  graves[address] = bytes;
  used -= bytes;
  blocks.erase(block);
  return true;
}

std::string DeviceMemory::describe(u64 address) const {
  char text[200];
  if (address < 4096) return "a null pointer";
  if (address - arenaStart >= arenaBytes) return "which is neither device nor shared memory nor the thread's own";
  auto grave = graves.upper_bound(address);
  if (grave != graves.begin() && (--grave, address < grave->first + grave->second)) {
    snprintf(text, sizeof text, "%llu bytes into %#llx (%llu bytes), which has been freed", address - grave->first, grave->first,
             grave->second);
    return text;
  }
  auto block = blocks.upper_bound(address);
  if (block == blocks.begin()) return "in no allocation";
  --block;
  u64 offset = address - block->first;
  if (offset < block->second.bytes && !block->second.live)
    snprintf(text, sizeof text, "%llu bytes into %#llx, whose allocation has not happened yet in stream order", offset, block->first);
  else if (offset < block->second.bytes)
    snprintf(text, sizeof text, "across the end of allocation %#llx (%llu bytes)", block->first, block->second.bytes);
  else
    snprintf(text, sizeof text, "%llu bytes after the end of allocation %#llx (%llu bytes)", offset - block->second.bytes, block->first,
             block->second.bytes);
  return text;
}
}  // namespace simt
