// Which accesses to shared memory are ordered by barriers, and which race.
#pragma once
#include "worker.h"

namespace simt {
/// Shared memory's accesses of the block begin anew.
void forget_accesses(Worker &w);
/// Everything these lanes' warps did so far comes before everything they do from here on.
void order_warps(Worker &w, const u32 (&lanesOfWarp)[maximumWarps]);
/// The same among the lanes of one warp.
void order_lanes(Worker &w, Warp &warp);
/// The current thread accesses bytes of the window; a race with an access of another thread ends the block.
void record_access(Worker &w, u32 offset, u32 bytes, bool write);

/// What a warp knows of all warps, by their clocks; an arrival barrier carries it from who arrives to who waits.
struct Knowledge {
  u32 of[maximumWarps] = {};
};
void publish(Worker &w, Knowledge &into);
void learn(Worker &w, const Knowledge &from);
}  // namespace simt
