// __syncthreads and named barriers. Threads that have ended count as arrived at barrier 0, as on the device.
#include "faults.h"
#include "races.h"
#include "worker.h"

namespace simt {
/// All are here: everybody goes on, except that the caller (if it waits itself) clears its own bit.
void Worker::arriveAtBlockBarrier(BlockBarrier &b) {
  b.result = b.predicates;
  b.predicates = 0;
  b.arrived = 0;
  b.expected = 0;
  order_warps(*this, b.waiting);
  for (u32 i = 0; i < warpCount; i++) {
    if (!b.waiting[i]) continue;
    release(warp[i], b.waiting[i]);
    b.waiting[i] = 0;
  }
}

static u32 meet(int id, int threads, int predicate, const char *kind) {
  Worker *w = worker;
  Thread *me = w->current;
  if (id < 0 || id > 15) fail(launchFailed, "barrier %d: there are 16", id);
  BlockBarrier &b = w->barriers[id];
  if (threads) {
    if (threads % warpLanes || threads < 0 || (u32)threads > (w->threads + 31) / 32 * 32)
      fail(launchFailed, "barrier %d for %d threads in a block of %u", id, threads, w->threads);
    if (b.arrived && b.expected != threads) fail(launchFailed, "barrier %d for %d threads, by others for %d", id, threads, b.expected);
    b.expected = threads;
  }
  u32 number = (u32)(me->warp - w->warp);
  b.waiting[number] |= 1u << me->lane;
  b.arrived++;
  b.predicates += predicate != 0;
  if (b.arrived == (threads ? threads : (int)w->live)) {
    w->arriveAtBlockBarrier(b);
    me->warp->ready &= ~(1u << me->lane);
  } else {
    w->giveWay(kind);
  }
  return b.result;
}

void barrier(int id, int threads) { meet(id, threads, 0, threads ? "a named barrier" : "__syncthreads"); }
u32 barrier_count(int predicate) { return meet(0, 0, predicate, "__syncthreads with a predicate"); }
}  // namespace simt
