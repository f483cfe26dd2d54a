// The driver's entry points, in front of one emulated device. Everything here happens under one lock.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../runtime/device_memory.h"
#include "../runtime/faults.h"
#include "../runtime/worker.h"

namespace driver {
using namespace simt;
enum Result {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  notInitialized = 3,
  noDevice = 100,
  invalidDevice = 101,
  invalidContext = 201,
  invalidPTX = 218,
  unsupportedPTXVersion = 222,
  invalidHandle = 400,
  notFound = 500,
  notReady = 600,
};

struct Stream {
  std::deque<std::function<void()>> queue;
  u64 queued = 0, executed = 0;
  bool blocking = true;  // ordered with the null stream
};
struct Event {
  std::shared_ptr<Stream> stream;  // where it was last recorded
  u64 position = 0;                // done when the stream has executed this much
  double seconds = 0;
  int questions = 0;
  bool recorded = false, timed = true;
};
struct Module;
struct Function {
  const KernelRecord *kernel;
  Module *module;
  int maximumThreads = 1024;
  size_t dynamicLimit = sharedLimit;
};
struct Module {
  bool any = false;                                   // without an image: every kernel there is
  std::unordered_map<std::string, int> entries;       // name → threads it was compiled for
  std::unordered_map<std::string, Function *> functions;
};

struct Device {
  std::recursive_mutex lock;
  bool initialized = false, harness = false;
  int retained = 0;
  int lost = 0;  // code of an injected failure
  u64 driverVersion, capability, devices;
  std::unordered_map<Stream *, std::shared_ptr<Stream>> streams;
  std::unordered_set<Event *> events;
  std::unordered_set<Module *> modules;
  std::unordered_map<Function *, std::unique_ptr<Function>> functions;
  std::unordered_map<void *, size_t> hostBlocks;

  Device();
  u64 optInShared() const { return capability >= 90 ? optInSharedLimit : capability >= 80 ? 163 << 10 : 64 << 10; }
};
Device &device();

/// Locks the device for one call and says whether it may go on: initialised, a context current, no earlier fault, no failure asked for.
class Call {
 public:
  enum Needs { nothing, driver, context };
  Call(const char *name, Needs needs);
  int refusal = success;

 private:
  std::unique_lock<std::recursive_mutex> lock;
};
#define HOOF_ENTRY(name, ...) extern "C" __attribute__((visibility("default"))) int name(__VA_ARGS__)
#define HOOF_CALL(name, needs)                          \
  driver::Call call(#name, driver::Call::needs);        \
  if (call.refusal) return call.refusal

/// The stream of a handle; nullptr if there is none. Null (and 1, 2: the legacy and the per-thread one) is the default stream.
std::shared_ptr<Stream> stream_of(void *handle);
/// Queues work; it runs when somebody waits for it. On the default stream it runs at once, after all blocking streams.
int enqueue(const std::shared_ptr<Stream> &stream, std::function<void()> work);
/// Runs the stream's work up to a position.
void drain(Stream &stream, u64 upTo);
/// Runs everything that is queued anywhere.
void drain_all();
bool set_context(void *context);
void forget_host_block(void *p);
}  // namespace driver
