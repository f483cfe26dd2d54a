// All blocks of a launch, on all cores: the calling thread and a pool of workers take blocks in order (or in reverse order).
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "device_memory.h"
#include "faults.h"
#include "settings.h"
#include "worker.h"

namespace simt {
class Pool {
 public:
  Pool() {
    u64 cores = setting("HOOF_EMULATOR_THREADS", std::thread::hardware_concurrency());
    workers = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
  }

  bool run(const Launch &next) {
    u64 blocks = (u64)next.grid.x * next.grid.y * next.grid.z;
    launch = next;
    total = blocks;
    // A share is large enough that taking it costs nothing, and small enough that cores end together.
    share = blocks / (u64)(workers * 16) + 1;
    taken.store(0);
    failed.store(false);
    u64 threads = blocks * next.block.x * next.block.y * next.block.z;
    bool together = workers > 1 && blocks > 1 && threads > 4096;
    if (together) {
      std::lock_guard<std::mutex> lock(mutex);
      // Started by the first launch that is worth it.
      for (; helpers < workers - 1; helpers++) std::thread([this] { serve(); }).detach();
      round++;
      wanted = blocks - 1 < (u64)(workers - 1) ? (int)(blocks - 1) : workers - 1;
      busy = 0;
      started.notify_all();
    }
    work(own());
    if (together) {
      std::unique_lock<std::mutex> lock(mutex);
      wanted = 0;  // who has not come yet need not
      done.wait(lock, [this] { return busy == 0; });
    }
    return !failed.load();
  }

 private:
  int workers, helpers = 0;
  Launch launch;
  u64 total = 0, share = 1;
  std::atomic<u64> taken{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::condition_variable started, done;
  u64 round = 0;
  int wanted = 0, busy = 0;

  static Worker &own() {
    static thread_local Worker *mine = nullptr;
    if (!mine) mine = new Worker;
    return *mine;
  }

  void work(Worker &w) {
    bool prepared = false;
    for (;;) {
      u64 first = taken.fetch_add(share);
      if (first >= total) break;
      if (!prepared) w.begin(launch);
      prepared = true;
      for (u64 i = first; i < first + share && i < total; i++) {
        if (failed.load(std::memory_order_relaxed)) break;
        u64 number = w.reverse ? total - 1 - i : i;
        u64 x = launch.grid.x, y = launch.grid.y;
        if (!w.run({(u32)(number % x), (u32)(number / x % y), (u32)(number / (x * y))})) failed.store(true);
      }
    }
    if (prepared) w.checkStacks();
  }

  void serve() {
    u64 seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      started.wait(lock, [&] { return round != seen && wanted > 0; });
      seen = round;
      wanted--;
      busy++;
      lock.unlock();
      work(own());
      lock.lock();
      if (--busy == 0) done.notify_all();
    }
  }
};

bool run_grid(const Launch &launch) {
  static Pool *pool = new Pool;  // its threads outlive main
  return pool->run(launch);
}

typedef std::unordered_map<std::string, KernelRecord> Kernels;
static Kernels &kernels() {
  static Kernels *all = new Kernels;
  return *all;
}

Registration::Registration(const char *name, Thunk thunk, const Parameter *parameters, int count) {
  KernelRecord record{name, thunk, {}, {}, 0};
  u32 offset = 0;
  for (int i = 0; i < count; i++) {
    offset = (offset + parameters[i].alignment - 1) / parameters[i].alignment * parameters[i].alignment;
    record.parameters.push_back(parameters[i]);
    record.offsets.push_back(offset);
    offset += parameters[i].size;
  }
  record.packedSize = offset;
  kernels()[name] = record;
}

const KernelRecord *find_kernel(const char *name) {
  auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}
}  // namespace simt
