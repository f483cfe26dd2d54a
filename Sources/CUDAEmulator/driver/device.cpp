// The device and its context.
#include <stdio.h>

#include <map>

#include "../runtime/settings.h"
#include "driver.h"

namespace driver {
static char contextObject;
static thread_local void *currentContext;

Device::Device() {
  driverVersion = setting("HOOF_EMULATOR_DRIVER", 12040);
  capability = setting("HOOF_EMULATOR_CAPABILITY", 90);
  devices = setting("HOOF_EMULATOR_DEVICES", 1);
  if (getenv("CUDA_VISIBLE_DEVICES") || !setting("CUDA_VISIBLE_DEVICES").empty()) {
    // As the driver reads it: numbers up to the first that names no device.
    std::string list = setting("CUDA_VISIBLE_DEVICES");
    u64 visible = 0;
    const char *p = list.c_str();
    while (*p) {
      char *end;
      unsigned long number = strtoul(p, &end, 10);
      if (end == p || number >= devices) break;
      visible++;
      p = *end == ',' ? end + 1 : end;
    }
    devices = visible;
  }
}

Device &device() {
  static Device *only = new Device;
  return *only;
}

/// HOOF_EMULATOR_FAIL=call:n:code.
static int failure(const char *name) {
  struct Wish {
    std::string call;
    u64 n = 0, calls = 0;
    int code = 0;
  };
  static Wish wish = [] {
    Wish w;
    std::string text = setting("HOOF_EMULATOR_FAIL");
    size_t first = text.find(':'), second = text.rfind(':');
    if (first == std::string::npos || first == second) return w;
    w.call = text.substr(0, first);
    w.n = strtoull(text.c_str() + first + 1, nullptr, 10);
    w.code = atoi(text.c_str() + second + 1);
    return w;
  }();
  return wish.call == name && ++wish.calls == wish.n ? wish.code : 0;
}

Call::Call(const char *name, Needs needs) : lock(device().lock) {
  Device &d = device();
  if (needs == nothing) return;
  if (!d.initialized) {
    refusal = notInitialized;
    return;
  }
  if (int code = d.lost ? d.lost : needs == context ? sticky_error() : 0) {
    refusal = code;
    return;
  }
  if (int code = failure(name)) {
    // Running out of memory leaves the context as it was; everything else loses it.
    if (code != outOfMemory) d.lost = code;
    refusal = code;
    return;
  }
  if (needs == context && !d.harness && (!currentContext || d.retained == 0)) refusal = invalidContext;
}
}  // namespace driver

using namespace driver;

HOOF_ENTRY(cuInit, unsigned flags) {
  HOOF_CALL(cuInit, nothing);
  Device &d = device();
  if (int code = failure("cuInit")) return code;
  if (flags) return invalidValue;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    fprintf(stderr, "CUDAEmulator: needs a processor with AVX2, FMA and F16C\n");
    return noDevice;
  }
#endif
  if (d.devices == 0) return noDevice;
  d.initialized = true;
  device_memory();
  return success;
}

HOOF_ENTRY(cuDriverGetVersion, int *version) {
  if (!version) return invalidValue;
  *version = (int)device().driverVersion;
  return success;
}

HOOF_ENTRY(cuDeviceGetCount, int *count) {
  HOOF_CALL(cuDeviceGetCount, driver);
  if (!count) return invalidValue;
  *count = (int)device().devices;
  return success;
}

static bool is_device(int ordinal) { return ordinal >= 0 && (u64)ordinal < device().devices; }

HOOF_ENTRY(cuDeviceGet, int *handle, int ordinal) {
  HOOF_CALL(cuDeviceGet, driver);
  if (!handle) return invalidValue;
  if (!is_device(ordinal)) return invalidDevice;
  *handle = ordinal;
  return success;
}

HOOF_ENTRY(cuDeviceGetName, char *name, int length, int ordinal) {
  HOOF_CALL(cuDeviceGetName, driver);
  if (!name || length < 1) return invalidValue;
  if (!is_device(ordinal)) return invalidDevice;
  snprintf(name, (size_t)length, "hoof CUDA emulator");
  return success;
}

HOOF_ENTRY(cuDeviceTotalMem_v2, size_t *bytes, int ordinal) {
  HOOF_CALL(cuDeviceTotalMem_v2, driver);
  if (!bytes) return invalidValue;
  if (!is_device(ordinal)) return invalidDevice;
  *bytes = device_memory().total;
  return success;
}

HOOF_ENTRY(cuDeviceGetAttribute, int *value, int attribute, int ordinal) {
  HOOF_CALL(cuDeviceGetAttribute, driver);
  if (!value) return invalidValue;
  if (!is_device(ordinal)) return invalidDevice;
  const Device &d = device();
  // CUdevice_attribute → value; few multiprocessors, so that persistent kernels stay cheap.
  const std::map<int, int> values = {
    {1, 1024},                   // threads a block
    {2, 1024}, {3, 1024}, {4, 64},             // block
    {5, 0x7fffffff}, {6, 65535}, {7, 65535},   // grid
    {8, (int)sharedLimit},       // shared memory a block
    {9, 64 << 10},               // constant memory
    {10, 32},                    // warp
    {12, 65536},                 // registers a block
    {13, 1000000},               // clock, kHz
    {15, 1},                     // overlaps copies
    {16, 4},                     // multiprocessors
    {17, 0}, {18, 0},            // no time limit, not integrated
    {19, 1}, {31, 1},            // maps host memory, concurrent kernels
    {32, 0}, {33, 0}, {34, 0},   // no ECC; PCI bus and device
    {35, 0},                     // not TCC
    {36, 1000000}, {37, 4096},   // memory clock, kHz, and bus width
    {38, 32 << 20},              // level-2 cache
    {39, 2048},                  // threads a multiprocessor
    {40, 2}, {41, 1},            // copy engines, unified addresses
    {50, 0},                     // PCI domain
    {75, (int)d.capability / 10}, {76, (int)d.capability % 10},
    {81, (int)d.optInShared() + 1024}, {82, 65536},
    {83, 1},                     // managed memory
    {97, (int)d.optInShared()},
    {106, 32}, {115, 1},         // blocks a multiprocessor, memory pools
  };
  auto found = values.find(attribute);
  if (found == values.end()) return invalidValue;
  *value = found->second;
  return success;
}

HOOF_ENTRY(cuDevicePrimaryCtxRetain, void **context, int ordinal) {
  HOOF_CALL(cuDevicePrimaryCtxRetain, driver);
  if (!context) return invalidValue;
  if (!is_device(ordinal)) return invalidDevice;
  device().retained++;
  *context = &contextObject;
  return success;
}

HOOF_ENTRY(cuDevicePrimaryCtxRelease_v2, int ordinal) {
  HOOF_CALL(cuDevicePrimaryCtxRelease_v2, driver);
  if (!is_device(ordinal)) return invalidDevice;
  Device &d = device();
  if (d.retained == 0) return invalidContext;
  if (--d.retained == 0 && !sticky_error()) drain_all();
  return success;
}

HOOF_ENTRY(cuCtxSetCurrent, void *context) {
  HOOF_CALL(cuCtxSetCurrent, driver);
  if (context && (context != &contextObject || device().retained == 0)) return invalidContext;
  currentContext = context;
  return success;
}
