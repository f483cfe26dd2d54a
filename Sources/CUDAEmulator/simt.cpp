#include "simt.h"
#include <sys/mman.h>
#include <string>
#include <unordered_map>
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
namespace simt {
Fiber* cur; dim3 g_blockDim, g_gridDim; uint3_ g_blockIdx; char* g_dyn; size_t g_dynsize;
static Fiber* F; static Warp* W; static int nT, nLive, nBlockWait; static void* schedSP; static void (*kfn)(void*); static void* kctx;
static const size_t STK = 64 << 10; static bool rev;
#if defined(__x86_64__)
asm(R"(.text
.type simt_switch,@function
simt_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  popq %rcx
  jmp *%rcx
.size simt_switch,.-simt_switch
)");
#elif defined(__aarch64__)
asm(R"(.text
.type simt_switch,%function
simt_switch:
  sub sp,sp,#160
  stp x19,x20,[sp]; stp x21,x22,[sp,#16]; stp x23,x24,[sp,#32]; stp x25,x26,[sp,#48]; stp x27,x28,[sp,#64]; stp x29,x30,[sp,#80]
  stp d8,d9,[sp,#96]; stp d10,d11,[sp,#112]; stp d12,d13,[sp,#128]; stp d14,d15,[sp,#144]
  mov x9,sp
  str x9,[x0]
  mov sp,x1
  ldp x19,x20,[sp]; ldp x21,x22,[sp,#16]; ldp x23,x24,[sp,#32]; ldp x25,x26,[sp,#48]; ldp x27,x28,[sp,#64]; ldp x29,x30,[sp,#80]
  ldp d8,d9,[sp,#96]; ldp d10,d11,[sp,#112]; ldp d12,d13,[sp,#128]; ldp d14,d15,[sp,#144]
  add sp,sp,#160
  ret
)");
#endif
extern "C" void simt_switch(void** save, void* to) __attribute__((visibility("hidden")));
[[noreturn]] static void die(const char* m) { fprintf(stderr, "simt: %s at block (%u,%u,%u) thread (%u,%u,%u)\n", m, g_blockIdx.x, g_blockIdx.y, g_blockIdx.z, cur->tid.x, cur->tid.y, cur->tid.z); abort(); }
static void to_sched() { Fiber* me = cur; simt_switch(&me->sp, schedSP); }
static void entry() { kfn(kctx); Fiber* me = cur; me->state = DONE; nLive--; if (me->npend) me->npend = 0; me->warp->live &= ~(1u << me->lane); if (me->warp->arrived) die("thread exited while its warp waits in a collective (divergent collective)"); void* x; simt_switch(&x, schedSP); abort(); }
// hand control to the next READY lane of this warp, else to the scheduler
static void pass_on() { Fiber* me = cur; Warp* w = me->warp; int n = w->n; for (int k = 1; k < n; k++) { int i = me->lane + (rev ? n - k : k); if (i >= n) i -= n; Fiber* f = &F[w->first + i]; if (f->state == READY) { cur = f; simt_switch(&me->sp, f->sp); return; } } to_sched(); }
int warp_arrive(u32 mask) { Fiber* f = cur; Warp* w = f->warp; if (!(mask >> f->lane & 1)) die("lane not in its own mask"); w->arrived |= 1u << f->lane;
  u32 need = mask & (w->n == 32 ? ~0u : (1u << w->n) - 1); if ((w->live & need) != need) die("collective mask names an exited lane");
  if ((w->arrived & need) == need) { w->arrived &= ~need; for (u32 m = need; m; m &= m - 1) F[w->first + __builtin_ctz(m)].state = READY; return 1; } f->state = WAITWARP; return 0; }
void warp_wait() { while (cur->state == WAITWARP) pass_on(); }
void yield_block() { Fiber* f = cur; f->state = WAITBLOCK; if (++nBlockWait == nLive) { nBlockWait = 0; for (int i = 0; i < nT; i++) if (F[i].state == WAITBLOCK) F[i].state = READY; return; } to_sched(); }
extern "C" char __start_simt_shared[] __attribute__((weak, visibility("hidden"))), __stop_simt_shared[] __attribute__((weak, visibility("hidden")));
void run_grid(dim3 g, dim3 b, size_t smem, void (*fn)(void*), void* ctx) {
  kfn = fn; kctx = ctx; g_gridDim = g; g_blockDim = b; nT = b.x * b.y * b.z; if (nT > 1024 || nT < 1) { fprintf(stderr, "simt: bad block\n"); abort(); }
  if (!F) { rev = getenv("HOOF_EMULATOR_REVERSE"); F = (Fiber*)aligned_alloc(64, 1024 * sizeof(Fiber)); auto* P = (PendingCopy*)malloc(1024 * 64 * sizeof(PendingCopy)); for (int i = 0; i < 1024; i++) F[i].pend = P + i * 64; W = (Warp*)aligned_alloc(64, 32 * sizeof(Warp)); char* s = (char*)mmap(0, 1024 * STK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); madvise(s, 1024 * STK, MADV_HUGEPAGE); for (int i = 0; i < 1024; i++) F[i].stack = s + i * STK; g_dyn = (char*)aligned_alloc(1024, 256 << 10); }
  g_dynsize = smem;
  for (unsigned z = 0; z < g.z; z++) for (unsigned y = 0; y < g.y; y++) for (unsigned x = 0; x < g.x; x++) {
    g_blockIdx = {x, y, z}; nLive = nT; nBlockWait = 0; if (smem) memset(g_dyn, 0xff, smem); if (__start_simt_shared) memset(__start_simt_shared, 0xff, __stop_simt_shared - __start_simt_shared);
    for (int w = 0; w * 32 < nT; w++) { W[w].first = w * 32; W[w].n = nT - w * 32 < 32 ? nT - w * 32 : 32; W[w].live = W[w].n == 32 ? ~0u : (1u << W[w].n) - 1; W[w].arrived = 0; }
    for (int i = 0; i < nT; i++) { Fiber& f = F[i]; f.tid = {i % b.x, i / b.x % b.y, i / (b.x * b.y)}; f.lane = i & 31; f.warp = &W[i >> 5]; f.state = READY; f.warpgen = 0; f.ngroups = f.npend = 0;
      size_t col = (size_t)(i * 5 % 64) * 64 * 5 % 20480 / 64 * 64; void** sp = (void**)(f.stack + STK - col); *--sp = 0; 
#if defined(__x86_64__)
      *--sp = (void*)entry; for (int k = 0; k < 6; k++) *--sp = 0;
#else
      sp = (void**)(f.stack + STK - col - 160); memset(sp, 0, 160); sp[11] = (void*)entry;
#endif
      f.sp = sp; }
    while (nLive) { int ran = 0; for (int k = 0; k < nT; k++) { int i = rev ? nT - 1 - k : k; if (F[i].state == READY) { ran = 1; cur = &F[i]; simt_switch(&schedSP, F[i].sp); } }
      if (nLive && nBlockWait == nLive) { nBlockWait = 0; for (int i = 0; i < nT; i++) if (F[i].state == WAITBLOCK) F[i].state = READY; } else if (!ran && nLive) die("deadlock: divergent __syncthreads or warp collective"); }
  }
}
struct K { void (*t)(void**, dim3, dim3, size_t); };
static std::unordered_map<std::string, K>& reg() { static std::unordered_map<std::string, K> r; return r; }
Reg::Reg(const char* n, void (*t)(void**, dim3, dim3, size_t)) { reg()[n] = {t}; }
}
// ---- fake driver API ----
#define X extern "C" __attribute__((visibility("default"))) int
typedef unsigned long long dptr;
X cuInit(unsigned) { return 0; }
X cuDriverGetVersion(int* v) { *v = 13000; return 0; }
X cuDeviceGetCount(int* n) { *n = 1; return 0; }
X cuDeviceGet(int* d, int) { *d = 0; return 0; }
X cuDeviceGetName(char* s, int n, int) { snprintf(s, n, "hoof CPU SIMT emulator"); return 0; }
X cuDeviceGetAttribute(int* v, int a, int) { *v = a == 75 ? 8 : a == 76 ? 0 : a == 10 ? 32 : a == 16 ? 1 : a == 97 ? 232448 : 0; return 0; }
X cuDeviceTotalMem_v2(size_t* b, int) { *b = 4ull << 30; return 0; }
X cuDevicePrimaryCtxRetain(void** c, int) { *c = (void*)1; return 0; }
X cuCtxCreate_v2(void** c, unsigned, int) { *c = (void*)1; return 0; }
X cuCtxSetCurrent(void*) { return 0; }
X cuCtxSynchronize() { return 0; }
X cuMemAlloc_v2(dptr* p, size_t n) { void* q = aligned_alloc(256, (n + 255) & ~255ull); if (!q) return 2; memset(q, 0xff, (n + 255) & ~255ull); *p = (dptr)q; return 0; }
X cuMemFree_v2(dptr p) { free((void*)p); return 0; }
X cuMemcpyHtoD_v2(dptr d, const void* s, size_t n) { memcpy((void*)d, s, n); return 0; }
X cuMemcpyDtoH_v2(void* d, dptr s, size_t n) { memcpy(d, (void*)s, n); return 0; }
X cuMemcpyHtoDAsync_v2(dptr d, const void* s, size_t n, void*) { memcpy((void*)d, s, n); return 0; }
X cuMemcpyDtoHAsync_v2(void* d, dptr s, size_t n, void*) { memcpy(d, (void*)s, n); return 0; }
X cuMemsetD8_v2(dptr d, unsigned char v, size_t n) { memset((void*)d, v, n); return 0; }
X cuStreamCreate(void** s, unsigned) { *s = (void*)2; return 0; }
X cuStreamSynchronize(void*) { return 0; }
X cuStreamDestroy_v2(void*) { return 0; }
X cuEventCreate(void** e, unsigned) { *e = (void*)3; return 0; }
X cuEventRecord(void*, void*) { return 0; }
X cuEventSynchronize(void*) { return 0; }
X cuEventElapsedTime(float* f, void*, void*) { *f = 0; return 0; }
X cuModuleLoadData(void** m, const void*) { *m = (void*)4; return 0; }
X cuModuleGetFunction(void** f, void*, const char* n) { auto i = simt::reg().find(n); if (i == simt::reg().end()) return 500; *f = (void*)i->second.t; return 0; }
X cuFuncSetAttribute(void*, int, int) { return 0; }
X cuGetErrorString(int, const char** s) { *s = "emulator error"; return 0; }
X cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned smem, void*, void** args, void**) {
  if (smem > 232448) return 1; ((void (*)(void**, dim3, dim3, size_t))f)(args, dim3{gx, gy, gz}, dim3{bx, by, bz}, smem); return 0; }
// ---- fake NVRTC (returns the source as its own "cubin") ----
X nvrtcVersion(int* a, int* b) { *a = 13; *b = 0; return 0; }
X nvrtcCreateProgram(void** p, const char* src, const char*, int, const char* const*, const char* const*) { *p = strdup(src); return 0; }
X nvrtcCompileProgram(void*, int, const char* const*) { return 0; }
X nvrtcGetProgramLogSize(void*, size_t* n) { *n = 1; return 0; }
X nvrtcGetProgramLog(void*, char* s) { *s = 0; return 0; }
X nvrtcGetCUBINSize(void* p, size_t* n) { *n = strlen((char*)p) + 1; return 0; }
X nvrtcGetCUBIN(void* p, char* o) { strcpy(o, (char*)p); return 0; }
X nvrtcDestroyProgram(void** p) { free(*p); return 0; }
