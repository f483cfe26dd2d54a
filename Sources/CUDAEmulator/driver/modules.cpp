// Modules, functions and launches. A module's image is PTX text: its version, target and entries are read, the code that runs is the
// kernel of that name in this library. So a kernel that the PTX lacks, or that was not exported, is missing here too.
#include <stdio.h>

#include "driver.h"

using namespace driver;

namespace {
/// The number behind a directive, such as `.maxntid 256, 1, 1`, multiplied over its dimensions; 0 if it is not there.
int directive(const std::string &text, const char *name) {
  size_t at = text.find(name);
  if (at == std::string::npos) return 0;
  const char *p = text.c_str() + at + strlen(name);
  int product = 1;
  for (;;) {
    char *end;
    long number = strtol(p, &end, 10);
    if (end == p) return product;
    product *= (int)number;
    while (*end == ' ') end++;
    if (*end != ',') return product;
    p = end + 1;
  }
}

/// CUDA 12.4 takes PTX up to 8.4, 11.8 up to 7.8, 13.0 up to 9.0.
int newest_ptx(u64 driverVersion) {
  int major = (int)(driverVersion / 1000), minor = (int)(driverVersion % 1000 / 10);
  int base = major >= 13 ? 90 + 10 * (major - 13) : major == 12 ? 80 : major == 11 ? 70 : 65;
  return base + (major == 12 && minor == 9 ? 8 : minor);
}

int read_ptx(const char *image, Module &module, std::string &log) {
  const Device &d = device();
  const char *version = strstr(image, ".version"), *target = strstr(image, ".target");
  int major = 0, minor = 0, architecture = 0;
  char suffix = 0;
  if (!version || sscanf(version, ".version %d.%d", &major, &minor) != 2 || !target ||
      sscanf(target, ".target sm_%d%c", &architecture, &suffix) < 1) {
    log = "not a PTX image: no .version or no .target";
    return invalidPTX;
  }
  if (10 * major + minor > newest_ptx(d.driverVersion)) {
    log = "unsupported .version " + std::to_string(major) + "." + std::to_string(minor);
    return unsupportedPTXVersion;
  }
  bool special = suffix == 'a' || suffix == 'f';
  if ((u64)architecture > d.capability || (special && (u64)architecture != d.capability)) {
    log = "SM version specified by .target is higher than default SM version assumed";
    return invalidPTX;
  }
  for (const char *p = image; (p = strstr(p, ".entry ")) != nullptr;) {
    p += 7;
    size_t length = strcspn(p, "( \t\r\n");
    std::string name(p, length);
    const char *open = strchr(p, '(');
    if (!open) continue;
    // Between the parameters and the body stand .maxntid, .reqntid, .minnctapersm.
    const char *close = strchr(open, ')'), *body = close ? strchr(close, '{') : nullptr;
    std::string between = body ? std::string(close, body) : "";
    int most = directive(between, ".reqntid");
    if (!most) most = directive(between, ".maxntid");
    module.entries[name] = most ? most : maximumThreads;
  }
  return success;
}

/// CUjit_option 5 and 6: a buffer for the error log and its size.
void write_log(const std::string &log, unsigned count, const int *options, void **values) {
  char *buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == 5) buffer = (char *)values[i];
    if (options[i] == 6) bytes = (unsigned)(u64)values[i];
  }
  if (buffer && bytes) snprintf(buffer, bytes, "%s", log.c_str());
}

Function *function_of(void *handle) {
  auto found = device().functions.find((Function *)handle);
  return found == device().functions.end() ? nullptr : found->second.get();
}
Module *harness_module() {
  // Without a module: a harness that has no image and does not start the driver either.
  Device &d = device();
  static Module *all = nullptr;
  if (!all) {
    all = new Module;
    all->any = true;
    d.modules.insert(all);
  }
  d.initialized = d.harness = true;
  device_memory();
  return all;
}
}  // namespace

HOOF_ENTRY(cuModuleLoadDataEx, void **handle, const void *image, unsigned count, int *options, void **values) {
  HOOF_CALL(cuModuleLoadDataEx, context);
  if (!handle || !image || (count && (!options || !values))) return invalidValue;
  auto module = std::make_unique<Module>();
  std::string log;
  if (int code = read_ptx((const char *)image, *module, log)) {
    write_log(log, count, options, values);
    return code;
  }
  write_log("", count, options, values);
  *handle = module.get();
  device().modules.insert(module.release());
  return success;
}

HOOF_ENTRY(cuModuleUnload, void *handle) {
  HOOF_CALL(cuModuleUnload, context);
  Device &d = device();
  auto found = d.modules.find((Module *)handle);
  if (found == d.modules.end()) return invalidHandle;
  drain_all();
  for (auto &f : (*found)->functions) d.functions.erase(f.second);
  delete *found;
  d.modules.erase(found);
  return success;
}

HOOF_ENTRY(cuModuleGetFunction, void **handle, void *moduleHandle, const char *name) {
  Module *module = moduleHandle ? (Module *)moduleHandle : harness_module();
  HOOF_CALL(cuModuleGetFunction, context);
  if (!handle || !name) return invalidValue;
  Device &d = device();
  if (!d.modules.count(module)) return invalidHandle;
  auto known = module->functions.find(name);
  if (known == module->functions.end()) {
    const KernelRecord *kernel = find_kernel(name);
    auto entry = module->entries.find(name);
    if (!kernel && entry != module->entries.end())
      fprintf(stderr, "CUDAEmulator: %s is in the image but not exported by HOOF_EXPORT\n", name);
    if (!kernel || (!module->any && entry == module->entries.end())) return notFound;
    auto function = std::make_unique<Function>();
    function->kernel = kernel;
    function->module = module;
    if (!module->any) function->maximumThreads = entry->second;
    known = module->functions.emplace(name, function.get()).first;
    d.functions[known->second] = std::move(function);
  }
  *handle = known->second;
  return success;
}

HOOF_ENTRY(cuFuncSetAttribute, void *handle, int attribute, int value) {
  HOOF_CALL(cuFuncSetAttribute, context);
  Function *function = function_of(handle);
  if (!function) return invalidHandle;
  switch (attribute) {
    case 8:  // dynamic shared memory
      if (value < 0 || (u64)value > device().optInShared()) return invalidValue;
      function->dynamicLimit = (size_t)value > sharedLimit ? (size_t)value : sharedLimit;
      return success;
    case 9:  // carve-out, in percent
      return value < -1 || value > 100 ? invalidValue : success;
    default: return invalidValue;
  }
}

HOOF_ENTRY(cuFuncGetAttribute, int *value, int attribute, void *handle) {
  HOOF_CALL(cuFuncGetAttribute, context);
  Function *function = function_of(handle);
  if (!function) return invalidHandle;
  if (!value) return invalidValue;
  switch (attribute) {
    case 0: *value = function->maximumThreads; return success;
    case 1: case 2: case 3: *value = 0; return success;  // static shared, constant and local bytes are not known here
    case 4: *value = 32; return success;                 // registers
    case 5: case 6: *value = (int)device().capability; return success;
    case 7: *value = 0; return success;
    case 8: *value = (int)function->dynamicLimit; return success;
    case 9: *value = -1; return success;
    default: return invalidValue;
  }
}

HOOF_ENTRY(cuLaunchKernel, void *handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
           unsigned dynamicShared, void *streamHandle, void **parameters, void **extra) {
  HOOF_CALL(cuLaunchKernel, context);
  Function *function = function_of(handle);
  if (!function) return invalidHandle;
  auto stream = stream_of(streamHandle);
  if (!stream) return invalidHandle;
  if (!gridX || !gridY || !gridZ || gridX > 0x7fffffffu || gridY > 65535 || gridZ > 65535) return invalidValue;
  if (!blockX || !blockY || !blockZ || blockX > 1024 || blockY > 1024 || blockZ > 64) return invalidValue;
  if ((u64)blockX * blockY * blockZ > (u64)function->maximumThreads) return invalidValue;
  if (dynamicShared > function->dynamicLimit) return invalidValue;

  // The parameters' values are taken now, packed as the device lays them out.
  const KernelRecord *kernel = function->kernel;
  struct alignas(64) Line {
    char bytes[64];
  };
  auto packed = std::make_shared<std::vector<Line>>((kernel->packedSize + 63) / 64 + 1);
  char *bytes = (char *)packed->data();
  if (parameters && extra) return invalidValue;
  if (extra) {
    const char *buffer = nullptr;
    size_t size = ~(size_t)0;
    for (void **e = extra; *e; e += 2) {
      if ((u64)*e == 1) buffer = (const char *)e[1];
      else if ((u64)*e == 2) size = *(size_t *)e[1];
      else return invalidValue;
    }
    if (size == ~(size_t)0 || (!buffer && size)) return invalidValue;
    // A struct of them may be padded at its end.
    u32 alignment = 8;
    for (const Parameter &p : kernel->parameters) alignment = p.alignment > alignment ? p.alignment : alignment;
    if (size < kernel->packedSize || size > (kernel->packedSize + alignment - 1) / alignment * alignment) {
      fprintf(stderr, "CUDAEmulator: %s takes %u bytes of parameters, %zu given\n", kernel->name, kernel->packedSize, size);
      return invalidValue;
    }
    memcpy(bytes, buffer, kernel->packedSize);
  } else {
    if (!parameters && !kernel->parameters.empty()) return invalidValue;
    for (size_t i = 0; i < kernel->parameters.size(); i++) memcpy(bytes + kernel->offsets[i], parameters[i], kernel->parameters[i].size);
  }
  dim3 grid(gridX, gridY, gridZ), block(blockX, blockY, blockZ);
  return enqueue(stream, [=] {
    std::vector<void *> values;
    for (u32 offset : kernel->offsets) values.push_back((char *)packed->data() + offset);
    run_grid({kernel, grid, block, dynamicShared, values.data()});
  });
}
