// Shuffles and votes. A lane leaves its operand in the warp's columns; the last one to arrive computes everybody's result.
#include "warp.h"

#include "faults.h"
#include "races.h"

namespace simt {
Meeting &join(Warp &warp, u32 lane, u32 mask, const char *kind, bool &complete) {
  u32 bit = 1u << lane, need = mask & warp.lanes;
  if (!(mask & bit)) fail(launchFailed, "%s with mask %08x, which does not name lane %u itself", kind, mask, lane);
  if (need & ~warp.live) fail(launchFailed, "%s with mask %08x, but lanes %08x have ended", kind, mask, need & ~warp.live);
  int i = 0;
  while (i < warp.meetings && (warp.meeting[i].mask != mask || warp.meeting[i].kind != kind)) i++;
  Meeting &m = warp.meeting[i];
  if (i == warp.meetings) {
    if (i == warpLanes) fail(launchFailed, "%s: the warp is in 32 collectives at once", kind);
    m = {kind, mask, 0};
    warp.meetings++;
  }
  m.arrived |= bit;
  complete = m.arrived == need;
  return m;
}

static const char shuffleKind[] = "a shuffle", ballotKind[] = "a vote", barrierKind[] = "__syncwarp";

u32 shuffle(u32 mask, u32 value, int source) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  u32 lane = me->lane;
  warp.in[0][lane] = value;
  warp.in[2][lane] = source < 0 ? lane : (u32)source;
  meet(w, mask, shuffleKind, [](Warp &of, u32 lanes) {
    if (lanes == ~0u) {
      for (int i = 0; i < warpLanes; i++) of.out[0][i] = of.in[0][of.in[2][i] % warpLanes];
      return;
    }
    for (int i = 0; i < warpLanes; i++) {
      if (!(lanes >> i & 1)) continue;
      u32 from = of.in[2][i];
      // A lane outside of the mask gives nothing that can be relied upon.
      of.out[0][i] = lanes >> from % warpLanes & 1 ? of.in[0][from % warpLanes] : 0xffffffffu;
    }
  });
  return warp.out[0][lane];
}

u64 shuffle_wide(u32 mask, u64 value, int source) {
  u32 low = shuffle(mask, (u32)value, source);
  return low | (u64)shuffle(mask, (u32)(value >> 32), source) << 32;
}

u32 ballot(u32 mask, int predicate) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  warp.in[0][me->lane] = predicate != 0;
  meet(w, mask, ballotKind, [](Warp &of, u32 lanes) {
    u32 bits = 0;
    for (int i = 0; i < warpLanes; i++) bits |= (lanes >> i & 1 & of.in[0][i]) << i;
    for (int i = 0; i < warpLanes; i++)
      if (lanes >> i & 1) of.out[0][i] = bits;
  });
  return warp.out[0][me->lane];
}

void warp_barrier(u32 mask) {
  Worker *w = worker;
  meet(w, mask, barrierKind, [w](Warp &of, u32) { order_lanes(*w, of); });
}
}  // namespace simt
