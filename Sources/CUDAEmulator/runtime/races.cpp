// Races in shared memory, as compute-sanitizer's racecheck finds them but by order, not by luck: vector clocks with one entry a warp.
//
// Each warp has a clock and knows how far it has seen every other warp's. Each word of shared memory keeps its last write and two reads:
// thread, bytes and the warp's clock at the time. An access is ordered after a recorded one if the warp has seen that clock pass: barriers
// let the participants see each other, arrival barriers let the waiters see those who arrived. Lanes of one warp are ordered by whatever
// moves the warp's clock (__syncwarp or a barrier); shuffles do not order memory. Two reads are enough: of any two threads that read, one
// is not the writer. Threads of a warp share its knowledge, so some races between lanes go unseen; none is reported that is not there.
#include "races.h"

#include "checks.h"
#include "faults.h"

namespace simt {
struct Access {
  u32 clock;
  u16 thread;
  u16 bytes;  // a bit each
};
struct Word {
  Access write, read[2];
};
struct Races {
  u32 now = 1, blockStart = 1;
  u32 clock[maximumWarps];
  Knowledge known[maximumWarps];
  Word word[sharedWindow / 4];
};

void forget_accesses(Worker &w) {
  if (!w.races) w.races = (Races *)calloc(1, sizeof(Races));
  Races &r = *w.races;
  if (r.now > 0xf0000000u) {
    memset(r.word, 0, sizeof r.word);
    r.now = 0;
  }
  // Whatever another block did is older than blockStart and ordered.
  r.blockStart = ++r.now;
  r.now++;
  for (u32 i = 0; i < w.warpCount; i++) {
    r.clock[i] = r.now;
    for (u32 j = 0; j < w.warpCount; j++) r.known[i].of[j] = r.blockStart;
  }
}

void order_warps(Worker &w, const u32 (&lanes)[maximumWarps]) {
  if (!w.races) return;
  Races &r = *w.races;
  Knowledge all;
  for (u32 i = 0; i < w.warpCount; i++) {
    if (!lanes[i]) continue;
    for (u32 j = 0; j < w.warpCount; j++)
      if (r.known[i].of[j] > all.of[j]) all.of[j] = r.known[i].of[j];
    if (r.clock[i] > all.of[i]) all.of[i] = r.clock[i];
  }
  r.now++;
  for (u32 i = 0; i < w.warpCount; i++) {
    if (!lanes[i]) continue;
    for (u32 j = 0; j < w.warpCount; j++) r.known[i].of[j] = all.of[j];
    r.clock[i] = r.now;
  }
}

void order_lanes(Worker &w, Warp &warp) {
  if (w.races) w.races->clock[&warp - w.warp] = ++w.races->now;
}

void publish(Worker &w, Knowledge &into) {
  if (!w.races) return;
  Races &r = *w.races;
  u32 me = (u32)(w.current->warp - w.warp);
  for (u32 j = 0; j < w.warpCount; j++)
    if (r.known[me].of[j] > into.of[j]) into.of[j] = r.known[me].of[j];
  if (r.clock[me] > into.of[me]) into.of[me] = r.clock[me];
  r.clock[me] = ++r.now;
}

void learn(Worker &w, const Knowledge &from) {
  if (!w.races) return;
  Races &r = *w.races;
  u32 me = (u32)(w.current->warp - w.warp);
  for (u32 j = 0; j < w.warpCount; j++)
    if (from.of[j] > r.known[me].of[j]) r.known[me].of[j] = from.of[j];
  r.clock[me] = ++r.now;
}

static __attribute__((noinline, cold)) void race(Worker &w, u32 offset, const Access &other, bool otherWrote, bool write) {
  uint3 t = w.thread[other.thread].index;
  fail(launchFailed, "race: it %s shared memory at offset %zu, which thread (%u,%u,%u) %s with no barrier between",
       write ? "writes" : "reads", (size_t)offset - dynamicSharedOffset, t.x, t.y, t.z, otherWrote ? "writes" : "reads");
}

void record_access(Worker &w, u32 offset, u32 size, bool write) {
  Races &r = *w.races;
  Thread *me = w.current;
  u32 mine = me->number / warpLanes;
  const u32 *known = r.known[mine].of;
  u32 now = r.clock[mine];
  u16 thread = (u16)me->number;
  auto ordered = [&](const Access &a) {
    if (a.thread == thread) return true;
    u32 warp = a.thread / warpLanes;
    return a.clock <= r.blockStart || (warp == mine ? a.clock < now : a.clock <= known[warp]);
  };
  for (u32 first = offset / 4, last = (offset + size - 1) / 4, i = first; i <= last; i++) {
    Word &word = r.word[i];
    u16 bytes = 15;
    if (size < 4) bytes = (u16)(((1u << size) - 1) << (offset & 3) & 15);
    if ((word.write.bytes & bytes) && !ordered(word.write)) race(w, i * 4, word.write, true, write);
    if (write) {
      for (const Access &read : word.read)
        if ((read.bytes & bytes) && !ordered(read)) race(w, i * 4, read, false, true);
      word.write = {now, thread, bytes};
    } else {
      Access &a = word.read[0], &b = word.read[1];
      if (ordered(a)) a = {now, thread, (u16)(a.thread == thread && a.clock == now ? a.bytes | bytes : bytes)};
      else if (ordered(b)) b = {now, thread, (u16)(b.thread == thread && b.clock == now ? b.bytes | bytes : bytes)};
    }
  }
}
}  // namespace simt
