// One block: threads run in order (or in reverse order) and give way only at collectives, so that a kernel without collectives never
// switches: one fiber runs thread after thread to its end. Who meets a collective first hands over to the next lane of the warp that can
// run, which keeps a warp in lock step at one switch a lane; who arrives last goes on at once.
#include <stdio.h>
#include <sys/mman.h>

#include "checks.h"
#include "faults.h"
#include "fiber.h"
#include "races.h"
#include "settings.h"
#include "worker.h"

namespace simt {
thread_local Worker *worker;

Worker::Worker() {
  reverse = setting("HOOF_EMULATOR_REVERSE", 0) != 0;
  const size_t bytes = maximumThreads * stackBytes;
  char *stacks = (char *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) abort();
  madvise(stacks, bytes, MADV_HUGEPAGE);
  for (int i = 0; i < maximumThreads; i++) stackOf[i].low = stacks + i * stackBytes;
  for (u32 i = 0; i < (u32)maximumThreads; i++) {
    thread[i].number = i;
    thread[i].lane = i % warpLanes;
    thread[i].warp = &warp[i / warpLanes];
    thread[i].context = nullptr;
    thread[i].copyGroups = thread[i].productGroups = 0;
    thread[i].fenced = false;
  }
  memset(warpgroups, 0, sizeof warpgroups);
  memset(barriers, 0, sizeof barriers);
  collectStacks();
  shared = (char *)aligned_alloc(4096, sharedWindow);
  memset(sharedValid, 0, sizeof sharedValid);
}

void Worker::collectStacks() {
  freeStackCount = maximumThreads;
  for (int i = 0; i < maximumThreads; i++) freeStacks[i] = &stackOf[maximumThreads - 1 - i];
}

void Worker::begin(const Launch &next) {
  launch = next;
  threads = next.block.x * next.block.y * next.block.z;
  warpCount = (threads + warpLanes - 1) / warpLanes;
  if (shape.x != next.block.x || shape.y != next.block.y || shape.z != next.block.z) {
    shape = next.block;
    for (u32 i = 0; i < threads; i++) thread[i].index = {i % shape.x, i / shape.x % shape.y, i / (shape.x * shape.y)};
  }
  for (u32 w = 0; w < warpCount; w++) {
    warp[w].first = w * warpLanes;
    warp[w].lanes = threads - w * warpLanes < (u32)warpLanes ? (1u << (threads - w * warpLanes)) - 1 : ~0u;
  }
  begin_shared(*this);
}

bool Worker::run(uint3 index) {
  block = index;
  live = threads;
  failed = false;
  readyWarps = warpCount == 32 ? ~0u : (1u << warpCount) - 1;
  for (u32 w = 0; w < warpCount; w++) {
    warp[w].live = warp[w].ready = warp[w].lanes;
    warp[w].meetings = 0;
  }
  for (BlockBarrier &b : barriers) {
    if (b.arrived) memset(b.waiting, 0, sizeof b.waiting);
    b.arrived = b.expected = 0;
    b.predicates = 0;
  }
  begin_block_shared(*this);

  current = reverse ? &thread[threads - 1] : &thread[0];
  current->warp->ready &= ~(1u << current->lane);
  start(current);
  worker = this;
  simt_switch(&schedulerContext, current->context);
  worker = nullptr;
  current = nullptr;
  if (failed) {
    collectStacks();
    for (u32 i = 0; i < threads; i++) {
      thread[i].context = nullptr;
      thread[i].copies.clear();
      thread[i].products.clear();
      thread[i].accumulators.clear();
      thread[i].copyGroups = thread[i].productGroups = 0;
      thread[i].fenced = false;
    }
    for (WarpgroupMeeting &m : warpgroups) m.arrived = 0;
    for (BlockBarrier &b : barriers) memset(b.waiting, 0, sizeof b.waiting);
  }
  return !failed;
}

/// The next thread that can run, from the current one on around the block, and its bit cleared; nullptr if there is none.
Thread *Worker::next() {
  Thread *from = current;
  Warp *w = from->warp;
  u32 lane = from->lane;
  if (!w->ready) {
    u32 number = (u32)(w - warp);
    for (;;) {
      if (!readyWarps) return nullptr;
      u32 turn = reverse ? number & 31 : (number + 1) & 31;
      u32 rotated = __builtin_rotateright32(readyWarps, turn);
      number = (turn + (reverse ? 31 - (u32)__builtin_clz(rotated) : (u32)__builtin_ctz(rotated))) & 31;
      if (warp[number].ready) break;
      readyWarps &= ~(1u << number);
    }
    w = &warp[number];
    lane = reverse ? 0 : 31;
  }
  u32 turn = reverse ? lane & 31 : (lane + 1) & 31;
  u32 rotated = __builtin_rotateright32(w->ready, turn);
  lane = (turn + (reverse ? 31 - (u32)__builtin_clz(rotated) : (u32)__builtin_ctz(rotated))) & 31;
  w->ready &= ~(1u << lane);
  return &thread[w->first + lane];
}

static void run_threads();

void Worker::start(Thread *t) {
  t->stack = freeStacks[--freeStackCount];
  if (freeStackCount < fewestFreeStacks) {
    fewestFreeStacks = freeStackCount;
    guard_stack(t->stack->low);
  }
  t->context = new_context(t->stack->low, t->lane, run_threads);
}

void Worker::checkStacks() {
  // Stacks are taken from a pile; those that ever were are the first of all.
  for (int i = 0; i < maximumThreads - fewestFreeStacks; i++) {
    if (stack_intact(stackOf[i].low)) continue;
    report(launchFailed, "%s: a thread's stack of %lu bytes overflowed", launch.kernel->name, stackBytes);
    guard_stack(stackOf[i].low);
  }
}

/// What a fiber does: its thread, then, on the same stack, every further thread that has not started yet.
static void run_threads() {
  Worker *w = worker;
  for (;;) {
    Thread *me = w->current;
    w->launch.kernel->thunk(w->launch.parameters);
    w->finish(me);
    Thread *to = w->live ? w->next() : nullptr;
    if (!to) {
      if (w->live) w->reportDeadlock();
      w->freeStacks[w->freeStackCount++] = me->stack;
      w->stop();
    }
    Stack *stack = me->stack;
    me->context = nullptr;
    if (!to->context) {
      to->stack = stack;
      to->context = me;  // anything but null: it runs
      w->current = to;
      continue;
    }
    w->freeStacks[w->freeStackCount++] = stack;
    w->current = to;
    void *unused;
    simt_switch(&unused, to->context);
  }
}

void Worker::finish(Thread *t) {
  if (!t->copies.empty()) t->copies.clear();
  if (!t->products.empty()) fail(launchFailed, "it ended with warpgroup products that nobody waited for");
  t->copyGroups = t->productGroups = 0;
  t->fenced = false;
  Warp &w = *t->warp;
  w.live &= ~(1u << t->lane);
  live--;
  BlockBarrier &whole = barriers[0];
  if (whole.arrived && (u32)whole.arrived == live) arriveAtBlockBarrier(whole);
}

void Worker::stop() {
  void *unused;
  if (current) current->context = nullptr;
  simt_switch(&unused, schedulerContext);
  __builtin_unreachable();
}

void Worker::reportDeadlock() {
  // The current thread may have ended; name the first that waits.
  u32 waiting = 0;
  Thread *first = nullptr;
  for (u32 i = 0; i < threads; i++)
    if (thread[i].warp->live >> thread[i].lane & 1) {
      waiting++;
      if (!first) first = &thread[i];
    }
  current = first;
  fail(launchFailed, "deadlock: it waits at %s and with it %u of %u threads of the block, %u have ended", first->waitsAt, waiting, threads,
       threads - waiting);
}

uint3 thread_index() { return worker->current->index; }
uint3 block_index() { return worker->block; }
uint3 block_size() { return {worker->launch.block.x, worker->launch.block.y, worker->launch.block.z}; }
uint3 grid_size() { return {worker->launch.grid.x, worker->launch.grid.y, worker->launch.grid.z}; }
u32 lane_index() { return worker->current->lane; }
void trap() { fail(launchFailed, "trap"); }
}  // namespace simt
