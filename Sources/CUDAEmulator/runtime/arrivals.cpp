// Arrival barriers. Copies of the tensor memory accelerator that count on one run only when a thread waits for it: until then their
// destination is poison.
#include "arrivals.h"

#include "checks.h"
#include "faults.h"
#include "tensor_loads.h"

namespace simt {
Arrival &arrival_at(u64 *address, const char *what) {
  Worker &w = *worker;
  for (auto &a : w.arrivals->all)
    if (a->address == address) return *a;
  fail(launchFailed, "%s at %p, which no barrier_init made a barrier", what, (void *)address);
}

void begin_arrivals(Worker &w) {
  if (!w.arrivals) w.arrivals = new Arrivals;
  w.arrivals->all.clear();
}

void arrival_init(u64 *address, u32 count) {
  Worker &w = *worker;
  check_shared(address, 8, 8, true);
  if (!count || count >= 1 << 20) fail(launchFailed, "barrier_init for %u arrivals", count);
  for (auto &a : w.arrivals->all)
    if (a->address == address) fail(launchFailed, "barrier_init of a barrier that is one already");
  auto a = std::make_unique<Arrival>();
  a->address = address;
  a->count = a->missing = count;
  w.arrivals->all.push_back(std::move(a));
}

/// Ends the phase if everything is in, and wakes who waits.
static void advance(Worker &w, Arrival &a) {
  if (a.missing || a.bytes) return;
  a.phase++;
  a.missing = a.count;
  for (u32 i = 0; i < w.warpCount; i++) {
    if (!a.waiting[i]) continue;
    w.release(w.warp[i], a.waiting[i]);
    a.waiting[i] = 0;
  }
}

static void arrive(u64 *address, const char *what, u32 bytes) {
  Worker &w = *worker;
  check_shared(address, 8, 8, false);
  Arrival &a = arrival_at(address, what);
  publish(w, a.knowledge);
  a.bytes += bytes;
  if (!a.missing) fail(launchFailed, "%s: more than the %u arrivals of a phase", what, a.count);
  a.missing--;
  advance(w, a);
}

void arrival_arrive(u64 *address) { arrive(address, "barrier_arrive", 0); }
void arrival_expect(u64 *address, u32 bytes) { arrive(address, "barrier_expect", bytes); }

void arrival_wait(u64 *address, u32 parity) {
  Worker &w = *worker;
  Thread &me = *w.current;
  check_shared(address, 8, 8, false);
  Arrival &a = arrival_at(address, "barrier_wait");
  if (parity > 1) fail(launchFailed, "barrier_wait for parity %u", parity);
  // The phase with this parity is complete when the current one has the other.
  while ((a.phase & 1) == parity) {
    if (!a.loads.empty()) {
      std::vector<PendingLoad> loads;
      loads.swap(a.loads);
      for (const PendingLoad &load : loads) a.bytes -= run_tensor_load(load);
      advance(w, a);
      continue;
    }
    a.waiting[me.warp - w.warp] |= 1u << me.lane;
    w.giveWay("barrier_wait");
  }
  learn(w, a.knowledge);
}

void tensor_load(void *shared, const TensorMap *map, u64 *address, i32 x, i32 y) {
  Worker &w = *worker;
  Arrival &a = arrival_at(address, "tensor_load_2d");
  PendingLoad load = prepare_tensor_load(shared, map, x, y);
  // The engine writes from now on; who waits for the barrier comes after it.
  publish(w, a.knowledge);
  a.loads.push_back(load);
  bool awaited = false;
  for (u32 i = 0; i < w.warpCount; i++) awaited |= a.waiting[i] != 0;
  if (!awaited) return;
  // Somebody waits already and polls: it runs the copy as soon as it is its turn.
  for (u32 i = 0; i < w.warpCount; i++) {
    if (a.waiting[i]) w.release(w.warp[i], a.waiting[i]);
    a.waiting[i] = 0;
  }
}

// Orders writes for the asynchronous proxy. There is only one here; that a kernel says it is not checked.
void fence_async() {}

void set_registers(int count) {
  if (count % 8 || count < 24 || count > 256) fail(launchFailed, "setmaxnreg to %d registers", count);
}
}  // namespace simt
