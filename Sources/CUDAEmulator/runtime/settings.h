// HOOF_EMULATOR_… variables: from the file `<this library>.env` (lines NAME=value) if there is one, else from the environment. The file lets
// a test run a copy of the library with settings of its own inside a process of many threads.
#pragma once
#include <string>

namespace simt {
/// Empty where it is not set.
std::string setting(const char *name);
unsigned long long setting(const char *name, unsigned long long otherwise);
}  // namespace simt
