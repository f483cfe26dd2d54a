// cp.async: the bytes arrive when the thread waits for their group and not before; until then the destination is poison, so that a missing
// wait or barrier shows.
#include "checks.h"
#include "faults.h"

namespace simt {
void copy_async(void *shared, const void *global, int bytes, bool wanted) {
  Worker &w = *worker;
  Thread &me = *w.current;
  check_shared(shared, (u32)bytes, (u32)bytes, true);
  if (wanted) check_global(global, (u32)bytes, (u32)bytes, false);
  me.copies.push_back({(char *)shared, (const char *)global, bytes, me.copyGroups, wanted});
  memset(shared, 0xff, (size_t)bytes);
}

void copy_async_commit() { worker->current->copyGroups++; }

void copy_async_wait(int pending) {
  Thread &me = *worker->current;
  size_t kept = 0;
  for (const PendingCopy &c : me.copies) {
    if (c.group >= me.copyGroups - pending) {
      me.copies[kept++] = c;
      continue;
    }
    check_shared(c.shared, (u32)c.bytes, (u32)c.bytes, true);
    if (c.wanted) memcpy(c.shared, c.global, (size_t)c.bytes);
    else memset(c.shared, 0, (size_t)c.bytes);
  }
  me.copies.resize(kept);
}
}  // namespace simt
