// What a kernel may touch.
#pragma once
#include "worker.h"

namespace simt {
/// HOOF_EMULATOR_CHECKS: `memory`, `races`, both (the default) or `none`.
struct Checks {
  bool memory, races;
};
extern const Checks checks;

/// The current thread is about to access these bytes: ends the block if it may not. `alignment` of 1 allows any address.
void check_access(const void *address, u32 bytes, u32 alignment, bool write);
/// The same for what only shared, or only global memory may hold.
void check_shared(const void *address, u32 bytes, u32 alignment, bool write);
void check_global(const void *address, u32 bytes, u32 alignment, bool write);

/// The window before a launch's blocks, and before each block (poisoned).
void begin_shared(Worker &w);
void begin_block_shared(Worker &w);
}  // namespace simt
