// Products of a warpgroup: they run, and read their operands, when a thread waits for them; the accumulators are NaN until then. The last
// of the 128 threads to reach the wait computes for all.
//
// From the PTX ISA and CUTLASS' CLayout_64xN: thread t of the warpgroup holds in d[i] row 16·(t/32) + (t%32)/4 + 8·(i/2%2) and column
// 8·(i/4) + 2·(t%4) + i%2. A descriptor holds the start address / 16 in bits 0-13, the leading and the stride byte offset / 16 in bits
// 16-29 and 32-45, a base offset in bits 49-51 and the swizzle in bits 62-63 (1: 128 bytes, 2: 64, 3: 32, 0: none). A K-major operand
// is made of groups of eight rows, `stride` bytes apart; in a group rows follow each other at the swizzle's width, and the address is
// swizzled last. Without swizzle eight rows of 16 bytes form a core matrix, and those of the next 8 columns lie `leading` bytes further.
#include "checks.h"
#include "faults.h"
#include "races.h"
#include "worker.h"

namespace simt {
typedef float Row __attribute__((vector_size(32), may_alias, aligned(4)));
static const char waitKind[] = "wgmma_wait";

struct Operand {
  u32 start, leading, stride, width, mask;

  explicit Operand(u64 d) {
    start = (u32)(d & 0x3fff) << 4;
    leading = (u32)(d >> 16 & 0x3fff) << 4;
    stride = (u32)(d >> 32 & 0x3fff) << 4;
    u32 mode = (u32)(d >> 62);
    width = mode == 1 ? 128 : mode == 2 ? 64 : mode == 3 ? 32 : 16;
    mask = width / 16 - 1;
    if (d >> 49 & 7) fail(launchFailed, "a matrix descriptor with a base offset");
  }
  /// Where columns 8·half … 8·half + 7 of a row lie in the window.
  u32 address(u32 row, u32 half) const {
    u32 plain = start + row / 8 * stride + row % 8 * width + half * (mask ? 16 : leading);
    return plain ^ ((plain >> 7 & mask) << 4);
  }
};

/// Row `row` of an operand as floats, `step` apart. The read is the warp's that stands in `reader`.
static void read_row(Worker &w, const Operand &operand, u32 row, Thread *reader, float *to, u32 step) {
  for (u32 half = 0; half < 2; half++) {
    const char *from = w.shared + operand.address(row, half);
    Thread *me = w.current;
    w.current = reader;
    check_shared(from, 16, 16, false);
    w.current = me;
    u16 bits[8];
    memcpy(bits, from, 16);
    for (u32 i = 0; i < 8; i++) to[(half * 8 + i) * step] = __builtin_bit_cast(float, (u32)bits[i] << 16);
  }
}

/// c [64, n] += a [64, 16] · b [16, n].
static void multiply(float *c, const float *a, const float *b, int n) {
  for (int r = 0; r < 64; r += 4)
    for (int j = 0; j < n; j += 16) {
      Row s[4][2];
      for (int i = 0; i < 4; i++)
        for (int h = 0; h < 2; h++) s[i][h] = *(const Row *)(c + (r + i) * n + j + 8 * h);
      for (int k = 0; k < 16; k++) {
        Row b0 = *(const Row *)(b + k * n + j), b1 = *(const Row *)(b + k * n + j + 8);
        for (int i = 0; i < 4; i++) {
          s[i][0] += a[(r + i) * 16 + k] * b0;
          s[i][1] += a[(r + i) * 16 + k] * b1;
        }
      }
      for (int i = 0; i < 4; i++)
        for (int h = 0; h < 2; h++) *(Row *)(c + (r + i) * n + j + 8 * h) = s[i][h];
    }
}

struct Scratch {
  alignas(64) float c[64 * 256], a[64 * 16], b[16 * 256];
};

/// Element i of the thread's part is c[place(t, i, n)].
static int place(int t, int i, int n) { return (16 * (t / 32) + t % 32 / 4 + 8 * (i / 2 % 2)) * n + 8 * (i / 4) + 2 * (t % 4) + i % 2; }

/// Runs the products of groups before `before` of one accumulator for all threads of a warpgroup.
static void run_products(Worker &w, Thread *first, int accumulator, int before) {
  static thread_local Scratch *scratch = nullptr;
  if (!scratch) scratch = (Scratch *)aligned_alloc(64, sizeof(Scratch));
  int n = first->accumulators[(size_t)accumulator].count * 2;
  for (int t = 0; t < 128; t++)
    for (int i = 0; i < n / 2; i++) scratch->c[place(t, i, n)] = first[t].accumulators[(size_t)accumulator].value[i];
  int done = 0;
  for (const PendingProduct &p : first->products) {
    if (p.accumulator != accumulator || p.group >= before) continue;
    Operand a(p.a), b(p.b);
    if (!p.accumulate) memset(scratch->c, 0, sizeof(float) * 64 * (size_t)n);
    for (u32 row = 0; row < 64; row++) read_row(w, a, row, first + row / 16 * 32, scratch->a + row * 16, 1);
    for (u32 row = 0; row < (u32)n; row++) read_row(w, b, row, first + row / 8 % 4 * 32, scratch->b + row, (u32)n);
    multiply(scratch->c, scratch->a, scratch->b, n);
    done++;
  }
  for (int t = 0; t < 128; t++) {
    Accumulator &mine = first[t].accumulators[(size_t)accumulator];
    for (int i = 0; i < n / 2; i++) mine.value[i] = scratch->c[place(t, i, n)];
    mine.pending -= done;
    if (mine.pending == 0) memcpy(mine.registers, mine.value, sizeof(float) * (size_t)mine.count);
  }
}

static void check_agreement(Worker &w, Thread *first) {
  for (int t = 1; t < 128; t++) {
    bool same = first[t].products.size() == first->products.size() && first[t].productGroups == first->productGroups;
    for (size_t i = 0; same && i < first->products.size(); i++) {
      const PendingProduct &p = first->products[i], &q = first[t].products[i];
      same = p.accumulator == q.accumulator && p.columns == q.columns && p.group == q.group;
      same = same && p.a == q.a && p.b == q.b && p.accumulate == q.accumulate;
    }
    if (same) continue;
    w.current = &first[t];
    fail(launchFailed, "its warpgroup products differ from those of the warpgroup's first thread");
  }
}

void wgmma_fence() { worker->current->fenced = true; }
void wgmma_commit() { worker->current->productGroups++; }

void wgmma(float *d, int columns, u64 a, u64 b, bool accumulate) {
  Worker &w = *worker;
  Thread &me = *w.current;
  if (!me.fenced) fail(launchFailed, "a warpgroup product without wgmma_fence since the last wait");
  u32 group = me.number / 128;
  if ((group + 1) * 128 > w.threads) fail(launchFailed, "a warpgroup product in a warpgroup of less than 128 threads");
  int count = columns / 2;
  size_t i = 0;
  while (i < me.accumulators.size() && (me.accumulators[i].registers != d || me.accumulators[i].pending == 0)) i++;
  if (i == me.accumulators.size()) {
    // A finished one's place, or a new one.
    for (i = 0; i < me.accumulators.size() && me.accumulators[i].pending; i++) {}
    if (i == me.accumulators.size()) me.accumulators.emplace_back();
    Accumulator &fresh = me.accumulators[i];
    fresh.registers = d;
    fresh.count = count;
    fresh.pending = 0;
    memcpy(fresh.value, d, sizeof(float) * (size_t)count);
    memset(d, 0xff, sizeof(float) * (size_t)count);
  }
  Accumulator &mine = me.accumulators[i];
  if (mine.count != count) fail(launchFailed, "warpgroup products of %d and %d columns in one accumulator", columns, mine.count * 2);
  mine.pending++;
  me.products.push_back({(int)i, columns, me.productGroups, a, b, accumulate});
}

void wgmma_wait(int pending) {
  Worker &w = *worker;
  Thread &me = *w.current;
  me.fenced = false;
  int before = me.productGroups - pending;
  bool any = false;
  for (const PendingProduct &p : me.products) {
    if (p.group >= me.productGroups && pending == 0) fail(launchFailed, "wgmma_wait for products that no wgmma_commit closed");
    any |= p.group < before;
  }
  if (!any) return;
  u32 group = me.number / 128;
  Thread *first = &w.thread[group * 128];
  if (++w.warpgroups[group].arrived < 128) return w.giveWay(waitKind);
  w.warpgroups[group].arrived = 0;
  check_agreement(w, first);
  for (size_t i = 0; i < first->accumulators.size(); i++) {
    bool involved = false;
    for (const PendingProduct &p : first->products) involved |= p.accumulator == (int)i && p.group < before;
    if (involved) run_products(w, first, (int)i, before);
  }
  for (int t = 0; t < 128; t++) {
    auto &list = first[t].products;
    size_t kept = 0;
    for (const PendingProduct &p : list)
      if (p.group >= before) list[kept++] = p;
    list.resize(kept);
  }
  for (u32 i = 0; i < 4; i++) {
    Warp &warp = *first[i * 32].warp;
    w.release(warp, &warp == me.warp ? ~(1u << me.lane) : ~0u);
  }
}
}  // namespace simt
