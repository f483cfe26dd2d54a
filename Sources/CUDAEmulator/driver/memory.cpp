// Memory: allocations, pools, copies. Asynchronous ones queue; what they read and write on the host they read and write late.
#include <sys/mman.h>

#include "driver.h"

using namespace driver;

namespace {
/// Freed pinned memory stays mapped without access for a while, so that a copy that is still queued is an error and not a coincidence.
struct Grave {
  char *start;
  size_t bytes;
};
std::deque<Grave> graves;

bool buried(const void *p, size_t bytes) {
  for (const Grave &g : graves)
    if ((const char *)p < g.start + g.bytes && (const char *)p + bytes > g.start) return true;
  return false;
}

size_t pages(size_t bytes) { return (bytes + 4095) & ~(size_t)4095; }

/// Checks the device side of a copy when it happens.
bool allowed(u64 address, size_t bytes, const char *what) {
  if (device_memory().isLive(address, bytes)) return true;
  report(illegalAddress, "%s of %zu bytes at %#llx: %s", what, bytes, address, device_memory().describe(address).c_str());
  return false;
}
bool host_allowed(const void *p, size_t bytes, const char *what) {
  if (!buried(p, bytes)) return true;
  report(illegalAddress, "%s: the host memory at %p was freed before the copy ran", what, p);
  return false;
}

int allocate(u64 *address, size_t bytes) {
  if (!address || !bytes) return invalidValue;
  u64 found = device_memory().allocate(bytes);
  if (!found) {
    // What is queued may free some.
    drain_all();
    if (int code = sticky_error()) return code;
    found = device_memory().allocate(bytes);
  }
  if (!found) return outOfMemory;
  *address = found;
  return success;
}

int set_memory(u64 address, u32 value, u32 width, size_t count, void *handle) {
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (address % width) return invalidValue;
  if (!count) return success;
  return enqueue(stream, [=] {
    if (!allowed(address, count * width, "memset")) return;
    if (width == 1) memset((void *)address, (int)value, count);
    else
      for (size_t i = 0; i < count; i++) ((u32 *)address)[i] = value;
  });
}
}  // namespace

HOOF_ENTRY(cuMemGetInfo_v2, size_t *free, size_t *total) {
  HOOF_CALL(cuMemGetInfo_v2, context);
  if (!free || !total) return invalidValue;
  *total = device_memory().total;
  *free = device_memory().total - device_memory().used;
  return success;
}

HOOF_ENTRY(cuMemAlloc_v2, u64 *address, size_t bytes) {
  HOOF_CALL(cuMemAlloc_v2, context);
  if (int code = allocate(address, bytes)) return code;
  device_memory().enliven(*address);
  return success;
}

HOOF_ENTRY(cuMemFree_v2, u64 address) {
  HOOF_CALL(cuMemFree_v2, context);
  if (!address) return success;
  drain_all();
  if (int code = sticky_error()) return code;
  return device_memory().kill(address) ? success : invalidValue;
}

HOOF_ENTRY(cuMemAllocAsync, u64 *address, size_t bytes, void *handle) {
  HOOF_CALL(cuMemAllocAsync, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (int code = allocate(address, bytes)) return code;
  return enqueue(stream, [p = *address] { device_memory().enliven(p); });
}

HOOF_ENTRY(cuMemFreeAsync, u64 address, void *handle) {
  HOOF_CALL(cuMemFreeAsync, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (!device_memory().isAllocated(address)) return invalidValue;
  return enqueue(stream, [address] {
    if (!device_memory().kill(address)) report(illegalAddress, "cuMemFreeAsync of %#llx, which is not allocated", address);
  });
}

HOOF_ENTRY(cuDeviceGetDefaultMemPool, void **pool, int ordinal) {
  HOOF_CALL(cuDeviceGetDefaultMemPool, driver);
  if (!pool) return invalidValue;
  if (ordinal < 0 || (u64)ordinal >= device().devices) return invalidDevice;
  *pool = &device();
  return success;
}

HOOF_ENTRY(cuMemPoolSetAttribute, void *pool, int attribute, void *value) {
  HOOF_CALL(cuMemPoolSetAttribute, context);
  if (pool != &device() || !value || attribute < 1 || attribute > 8) return invalidValue;
  return success;
}

HOOF_ENTRY(cuMemPoolTrimTo, void *pool, size_t) {
  HOOF_CALL(cuMemPoolTrimTo, context);
  return pool == &device() ? success : invalidValue;
}

HOOF_ENTRY(cuMemHostAlloc, void **address, size_t bytes, unsigned flags) {
  HOOF_CALL(cuMemHostAlloc, context);
  if (!address || !bytes || flags > 7) return invalidValue;
  void *p = mmap(nullptr, pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return outOfMemory;
  // Nobody promises zeros.
  memset(p, 0xff, bytes);
  device().hostBlocks[p] = bytes;
  *address = p;
  return success;
}

HOOF_ENTRY(cuMemFreeHost, void *address) {
  HOOF_CALL(cuMemFreeHost, context);
  auto found = device().hostBlocks.find(address);
  if (found == device().hostBlocks.end()) return invalidValue;
  size_t bytes = pages(found->second);
  device().hostBlocks.erase(found);
  madvise(address, bytes, MADV_DONTNEED);
  mprotect(address, bytes, PROT_NONE);
  graves.push_back({(char *)address, bytes});
  if (graves.size() > 256) {
    munmap(graves.front().start, graves.front().bytes);
    graves.pop_front();
  }
  return success;
}

HOOF_ENTRY(cuMemcpyHtoDAsync_v2, u64 to, const void *from, size_t bytes, void *handle) {
  HOOF_CALL(cuMemcpyHtoDAsync_v2, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (!bytes) return success;
  if (!to || !from) return invalidValue;
  return enqueue(stream, [=] {
    if (allowed(to, bytes, "copy to the device") && host_allowed(from, bytes, "copy to the device")) memcpy((void *)to, from, bytes);
  });
}

HOOF_ENTRY(cuMemcpyDtoHAsync_v2, void *to, u64 from, size_t bytes, void *handle) {
  HOOF_CALL(cuMemcpyDtoHAsync_v2, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (!bytes) return success;
  if (!to || !from) return invalidValue;
  return enqueue(stream, [=] {
    if (allowed(from, bytes, "copy from the device") && host_allowed(to, bytes, "copy from the device")) memcpy(to, (void *)from, bytes);
  });
}

HOOF_ENTRY(cuMemcpyDtoDAsync_v2, u64 to, u64 from, size_t bytes, void *handle) {
  HOOF_CALL(cuMemcpyDtoDAsync_v2, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  if (!bytes) return success;
  if (!to || !from) return invalidValue;
  return enqueue(stream, [=] {
    if (allowed(from, bytes, "copy on the device") && allowed(to, bytes, "copy on the device")) memmove((void *)to, (void *)from, bytes);
  });
}

HOOF_ENTRY(cuMemsetD8Async, u64 address, unsigned char value, size_t count, void *stream) {
  HOOF_CALL(cuMemsetD8Async, context);
  return set_memory(address, value, 1, count, stream);
}

HOOF_ENTRY(cuMemsetD32Async, u64 address, unsigned value, size_t count, void *stream) {
  HOOF_CALL(cuMemsetD32Async, context);
  return set_memory(address, value, 4, count, stream);
}
