// How lanes of a warp meet.
#pragma once
#include "worker.h"

namespace simt {
/// Called by each lane after it has left its operands in the warp; the last of the mask's lanes runs `all` for everybody.
template <class All> inline void meet(Worker *w, u32 mask, const char *kind, All all);
Meeting &join(Warp &warp, u32 lane, u32 mask, const char *kind, bool &complete);

template <class All> inline __attribute__((always_inline)) void meet(Worker *w, u32 mask, const char *kind, All all) {
  Thread *me = w->current;
  Warp &warp = *me->warp;
  bool complete;
  Meeting &m = join(warp, me->lane, mask, kind, complete);
  if (!complete) return w->giveWay(kind);
  u32 lanes = m.arrived;
  m = warp.meeting[--warp.meetings];
  all(warp, lanes);
  w->release(warp, lanes & ~(1u << me->lane));
}
}  // namespace simt
