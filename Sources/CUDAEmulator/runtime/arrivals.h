// Arrival barriers (mbarrier) and the copies that count on them.
#pragma once
#include <memory>
#include <vector>

#include "races.h"
#include "tensor_map.h"
#include "worker.h"

namespace simt {
struct PendingLoad {
  char *shared;
  EncodedMap map;
  i32 x, y;
};
struct Arrival {
  u64 *address;
  u32 count;    // arrivals a phase takes
  u32 missing;  // arrivals that this phase still takes
  i64 bytes = 0;  // bytes that this phase still waits for
  u32 phase = 0;
  Knowledge knowledge;
  std::vector<PendingLoad> loads;
  u32 waiting[maximumWarps] = {};
};
struct Arrivals {
  std::vector<std::unique_ptr<Arrival>> all;
};
void begin_arrivals(Worker &w);
/// The barrier initialised at this address of the current block.
Arrival &arrival_at(u64 *address, const char *what);
}  // namespace simt
