// The block's window of shared memory: dynamic memory first, then static arrays in the order in which threads first meet their
// declarations, with gaps between. All of it is poisoned when a block starts.
#include "arrivals.h"
#include "checks.h"
#include "faults.h"
#include "races.h"

namespace simt {
static void set_valid(Worker &w, u32 offset, u32 bytes, bool valid) {
  for (u32 done = 0; done < bytes; done += 16) {
    u32 piece = bytes - done < 16 ? bytes - done : 16;
    w.sharedValid[(offset + done) / 16] = (u8)(valid ? piece : 0);
  }
}

void begin_shared(Worker &w) {
  if (w.staticEnd) set_valid(w, dynamicSharedOffset, w.staticEnd - dynamicSharedOffset, false);
  set_valid(w, dynamicSharedOffset, (u32)w.launch.dynamicShared, true);
  w.staticArrays.clear();
  w.staticEnd = ((u32)(dynamicSharedOffset + w.launch.dynamicShared) + 127) / 128 * 128 + 128;
  w.staticBytes = 0;
}

void begin_block_shared(Worker &w) {
  memset(w.shared + dynamicSharedOffset, 0xff, w.staticEnd - dynamicSharedOffset);
  begin_arrivals(w);
  if (checks.races) forget_accesses(w);
}

void *static_shared(const void *tag, size_t bytes) {
  Worker &w = *worker;
  for (const StaticArray &a : w.staticArrays)
    if (a.tag == tag) return w.shared + a.offset;
  w.staticBytes += (bytes + 15) / 16 * 16;
  if (w.staticBytes > staticSharedLimit) fail(launchFailed, "its static shared memory of %zu bytes exceeds 48 KB", w.staticBytes);
  if (w.staticBytes + w.launch.dynamicShared > optInSharedLimit)
    fail(launchFailed, "%zu static and %zu dynamic bytes of shared memory exceed 227 KB", w.staticBytes, w.launch.dynamicShared);
  u32 offset = w.staticEnd;
  set_valid(w, offset, (u32)bytes, true);
  memset(w.shared + offset, 0xff, bytes);
  w.staticArrays.push_back({tag, offset});
  w.staticEnd = (offset + (u32)bytes + 127) / 128 * 128 + 128;
  return w.shared + offset;
}

void *dynamic_shared() { return worker->shared + dynamicSharedOffset; }

u32 shared_address(const void *p) {
  u64 offset = (u64)p - (u64)worker->shared;
  if (offset >= sharedWindow) fail(illegalAddress, "%p is not in shared memory", p);
  return (u32)offset;
}
}  // namespace simt
