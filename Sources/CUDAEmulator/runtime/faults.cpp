#include "faults.h"

#include <stdarg.h>
#include <stdio.h>

#include <atomic>

#include "worker.h"

namespace simt {
static std::atomic<int> sticky{0};

int sticky_error() { return sticky.load(std::memory_order_relaxed); }

/// The first fault is told; blocks that run beside it may fail of the same and are not.
static bool claim(int code) {
  int none = 0;
  return sticky.compare_exchange_strong(none, code);
}

void fail(int code, const char *message, ...) {
  Worker *w = worker;
  if (claim(code)) {
    char text[512];
    va_list arguments;
    va_start(arguments, message);
    vsnprintf(text, sizeof text, message, arguments);
    va_end(arguments);
    uint3 t = w->current->index, b = w->block;
    fprintf(stderr, "CUDAEmulator: %s, block (%u,%u,%u), thread (%u,%u,%u): %s\n", w->launch.kernel->name, b.x, b.y, b.z, t.x, t.y, t.z,
            text);
  }
  w->failed = true;
  w->stop();
}

void report(int code, const char *message, ...) {
  if (!claim(code)) return;
  char text[512];
  va_list arguments;
  va_start(arguments, message);
  vsnprintf(text, sizeof text, message, arguments);
  va_end(arguments);
  fprintf(stderr, "CUDAEmulator: %s\n", text);
}
}  // namespace simt
