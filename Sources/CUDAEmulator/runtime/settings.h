// Settings, from the file `<this library>.env` (lines NAME=value) if it has them, else from the environment. The file lets a test run a
// copy of the library with settings of its own inside a process of many threads.
//   HOOF_EMULATOR_MEMORY=bytes        device memory; 4 GiB
//   HOOF_EMULATOR_CHECKS=names        memory,races (the default), memory, or none
//   HOOF_EMULATOR_REVERSE=1           threads, warps and blocks run last to first
//   HOOF_EMULATOR_THREADS=n           cores used; all
//   HOOF_EMULATOR_DRIVER=12020        the driver's version; 12040
//   HOOF_EMULATOR_CAPABILITY=80       compute capability; 90
//   HOOF_EMULATOR_DEVICES=n           devices; 1 (and CUDA_VISIBLE_DEVICES)
//   HOOF_EMULATOR_FAIL=call:n:code    the n-th call of that entry point fails; unless the code is 2, the context is lost from then on
#pragma once
#include <string>

namespace simt {
/// Empty where it is not set.
std::string setting(const char *name);
unsigned long long setting(const char *name, unsigned long long otherwise);
}  // namespace simt
