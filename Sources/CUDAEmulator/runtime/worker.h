// A worker runs blocks one after another on one OS thread: each CUDA thread of the block is a fiber that gives way only at collectives.
#pragma once
#include <vector>

#include "fiber.h"

#include "../simt.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#undef __noinline__

namespace simt {
constexpr int maximumThreads = 1024, warpLanes = 32, maximumWarps = maximumThreads / warpLanes;
/// Shared memory of Hopper: static arrays, dynamic without asking, with asking.
constexpr size_t staticSharedLimit = 48 << 10, sharedLimit = 48 << 10, optInSharedLimit = 227 << 10;
/// Window of a block: dynamic memory at 1024, then the static arrays with gaps between.
constexpr size_t sharedWindow = 320 << 10, dynamicSharedOffset = 1024;

struct KernelRecord {
  const char *name;
  Thunk thunk;
  std::vector<Parameter> parameters;
  std::vector<u32> offsets;  // in the packed form
  u32 packedSize;
};
struct Launch {
  const KernelRecord *kernel;
  dim3 grid, block;
  size_t dynamicShared;
  void *const *parameters;
};

struct Stack {
  char *low;
};
struct Warp;
struct PendingCopy {
  char *shared;
  const char *global;
  int bytes, group;
  bool wanted;
};
/// A warpgroup's product under way.
struct PendingProduct {
  int accumulator, columns, group;
  u64 a, b;
  bool accumulate;
};
/// This thread's part of an accumulator, while its registers are the products' own.
struct Accumulator {
  float *registers;
  int count, pending;
  alignas(32) float value[128];
};

struct alignas(64) Thread {
  void *context;  // where it gave way; nullptr before it starts and after it ends
  Stack *stack;
  Warp *warp;
  uint3 index;
  u32 number, lane;
  const char *waitsAt;  // the collective, for reports
  int copyGroups, productGroups;
  std::vector<PendingCopy> copies;
  std::vector<PendingProduct> products;
  std::vector<Accumulator> accumulators;
  bool fenced;  // wgmma_fence since the last wait
};

/// Lanes that wait for one collective.
struct Meeting {
  const char *kind;
  u32 mask, arrived;
};
struct alignas(64) Warp {
  u32 live, ready;  // ready: may run (not started, or released), and does not
  u32 first, lanes;
  int meetings;
  Meeting meeting[warpLanes];
  // Operands by register, then lane; results likewise.
  alignas(64) u32 in[10][warpLanes];
  alignas(64) u32 out[4][warpLanes];
  const void *pointer[warpLanes];
};

/// Threads of a warpgroup that wait for products.
struct WarpgroupMeeting {
  int arrived;
};
struct BlockBarrier {
  int arrived, expected;
  u32 predicates, result;
  u32 waiting[maximumWarps];
};
struct Arrival;  // runtime/arrivals.h
struct Arrivals;
struct StaticArray {
  const void *tag;
  u32 offset;
};

struct Worker {
  Thread *current = nullptr;
  Launch launch;
  uint3 block;
  bool reverse = false, failed = false;
  u32 threads = 0, warpCount = 0, live = 0;
  u32 readyWarps = 0;
  void *schedulerContext = nullptr;

  Thread thread[maximumThreads];
  Warp warp[maximumWarps];
  BlockBarrier barriers[16];
  WarpgroupMeeting warpgroups[maximumWarps / 4];

  char *shared = nullptr;  // sharedWindow bytes
  u8 sharedValid[sharedWindow / 16];
  u32 staticEnd = 0;
  std::vector<StaticArray> staticArrays;
  size_t staticBytes = 0;
  Arrivals *arrivals = nullptr;

  Stack stackOf[maximumThreads];
  Stack *freeStacks[maximumThreads];
  int freeStackCount = 0, fewestFreeStacks = maximumThreads;
  dim3 shape{0, 0, 0};
  struct Races *races = nullptr;

  Worker();
  void collectStacks();
  /// Prepares for blocks of this launch.
  void begin(const Launch &next);
  /// Runs one block; false if it failed.
  bool run(uint3 index);

  /// The running thread stops here until something makes it ready.
  void giveWay(const char *at);
  void release(Warp &of, u32 lanes) {
    of.ready |= lanes;
    readyWarps |= 1u << (&of - warp);
  }
  Thread *next();
  void start(Thread *t);
  /// At the end of a launch.
  void checkStacks();
  void finish(Thread *t);
  void arriveAtBlockBarrier(BlockBarrier &b);
  [[noreturn]] void stop();
  [[noreturn]] void reportDeadlock();
};

// Inline, so that after a switch one return fewer goes where the processor does not expect it.
inline __attribute__((always_inline)) void Worker::giveWay(const char *at) {
  Thread *me = current;
  me->waitsAt = at;
  Thread *to = next();
  if (__builtin_expect(!to, 0)) reportDeadlock();
  if (__builtin_expect(!to->context, 0)) start(to);
  current = to;
  simt_switch(&me->context, to->context);
}

/// The worker of this OS thread while it runs a block.
extern thread_local Worker *worker;

/// Runs all blocks of a launch on all cores; false if one failed.
bool run_grid(const Launch &launch);
const KernelRecord *find_kernel(const char *name);
}  // namespace simt
