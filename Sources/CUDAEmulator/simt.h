// CPU SIMT emulator: one fiber per CUDA thread, one block at a time, single OS thread.
#pragma once
#include <cstdint>
#include <cstddef>
#include <cstring>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <tuple>
#include <utility>
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64; typedef signed char i8; typedef short i16; typedef int i32; typedef long long i64;
struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct uint3_ { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; }; struct alignas(16) uint4 { u32 x, y, z, w; }; struct alignas(8) uint2 { u32 x, y; }; struct alignas(8) float2 { float x, y; };
namespace simt {
struct Warp;
struct PendingCopy { void* s; const void* g; bool pred; int group; };
struct alignas(64) Fiber { void* sp; uint3_ tid; int lane; Warp* warp; int state; unsigned warpgen; int ngroups; int npend; char* stack; PendingCopy* pend; };
enum { READY, WAITWARP, WAITBLOCK, DONE };
struct alignas(64) Slot { u32 w[12]; const void* p; };
struct Warp { u32 live, arrived; u32 gen; int first, n; Slot slot[2][32]; };
extern Fiber* cur; extern dim3 g_blockDim, g_gridDim; extern uint3_ g_blockIdx; extern char* g_dyn; extern size_t g_dynsize;
void yield_block(); int warp_arrive(u32 mask); void warp_wait();
void run_grid(dim3 g, dim3 b, size_t smem, void (*fn)(void*), void* ctx);
struct Reg { Reg(const char* n, void (*thunk)(void**, dim3, dim3, size_t)); };
template<class F> struct L;
template<class... A> struct L<void (*)(A...)> {
  template<void (*K)(A...)> static void go(void** p, dim3 g, dim3 b, size_t s) { call<K>(p, g, b, s, std::index_sequence_for<A...>{}); }
  template<void (*K)(A...), size_t... I> static void call(void** p, dim3 g, dim3 b, size_t s, std::index_sequence<I...>) {
    std::tuple<std::remove_cv_t<A>...> a{*(std::remove_cv_t<A>*)p[I]...};
    run_grid(g, b, s, [](void* c) { std::apply(K, *(decltype(a)*)c); }, &a);
  }
};
// warp collective: deposit words, returns slots of all lanes (valid until next-but-one collective)
template<class Leader> inline Slot* collect(u32 mask, const u32* w, int n, const void* p, Leader leader) {
  Fiber* f = cur; Warp* W = f->warp; Slot* S = W->slot[f->warpgen & 1]; f->warpgen++;
  for (int i = 0; i < n; i++) S[f->lane].w[i] = w[i];
  S[f->lane].p = p;
  if (warp_arrive(mask)) leader(S); else warp_wait();
  return S;
}
template<class T> inline T shfl(u32 mask, T v, int src) { static_assert(sizeof(T) == 4 || sizeof(T) == 8); u32 w[2] = {}; memcpy(w, &v, sizeof v);
  Slot* S = collect(mask, w, sizeof(T) / 4, nullptr, [](Slot*) {}); T r; memcpy(&r, S[src & 31].w, sizeof r); return r; }
}
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("simt_shared")))
#define HOOF_DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(simt::g_dyn)
#define HOOF_SHARED(T, name, count) __shared__ __align__(16) T name[count]
#define HOOF_KERNEL extern "C" void
#define HOOF_EXPORT(k) static simt::Reg hoof_registered_##k(#k, &simt::L<decltype(&k)>::go<&k>);
#define threadIdx (simt::cur->tid)
#define blockIdx (simt::g_blockIdx)
#define blockDim (simt::g_blockDim)
#define gridDim (simt::g_gridDim)
inline void __syncthreads() { simt::yield_block(); }
inline void __syncwarp(u32 m = 0xffffffffu) { u32 z; simt::collect(m, &z, 0, nullptr, [](simt::Slot*) {}); }
template<class T> inline T __shfl_sync(u32 m, T v, int s, int w = 32) { int l = simt::cur->lane; return simt::shfl(m, v, (l & ~(w - 1)) + (s & (w - 1))); }
template<class T> inline T __shfl_xor_sync(u32 m, T v, int o, int w = 32) { int l = simt::cur->lane; int s = l ^ o; return simt::shfl(m, v, (s & ~(w - 1)) == (l & ~(w - 1)) ? s : l); }
template<class T> inline T __shfl_down_sync(u32 m, T v, int o, int w = 32) { int l = simt::cur->lane; int s = l + o; return simt::shfl(m, v, (s & ~(w - 1)) == (l & ~(w - 1)) ? s : l); }
template<class T> inline T __shfl_up_sync(u32 m, T v, int o, int w = 32) { int l = simt::cur->lane; int s = l - o; return simt::shfl(m, v, s >= (l & ~(w - 1)) ? s : l); }
inline u32 __ballot_sync(u32 m, int p) { u32 w = !!p; simt::Slot* S = simt::collect(m, &w, 1, nullptr, [](simt::Slot*) {}); u32 r = 0; for (int i = 0; i < 32; i++) if ((m >> i & 1) && (simt::cur->warp->live >> i & 1)) r |= S[i].w[0] << i; return r; }
inline int __any_sync(u32 m, int p) { return __ballot_sync(m, p) != 0; }
template<class T> inline T atomicAdd(T* p, T v) { T o = *p; *p = o + v; return o; }
template<class T> inline T atomicMax(T* p, T v) { T o = *p; if (v > o) *p = v; return o; }
template<class T> inline T atomicCAS(T* p, T c, T v) { T o = *p; if (o == c) *p = v; return o; }
inline float __uint_as_float(u32 u) { float f; memcpy(&f, &u, 4); return f; }
inline u32 __float_as_uint(float f) { u32 u; memcpy(&u, &f, 4); return u; }
inline float __expf(float x) { return expf(x); } inline float __logf(float x) { return logf(x); } inline float rsqrtf(float x) { return 1.0f / sqrtf(x); } inline float __fdividef(float a, float b) { return a / b; }
template<class T> inline T __ldg(const T* p) { return *p; }
inline u32 shared_address(const void* p) { return (u32)(uintptr_t)p; }
inline void copy_async_16(void* s, const void* g, bool pred) { auto* f = simt::cur; if (f->npend == 64) abort(); f->pend[f->npend++] = {s, g, pred, f->ngroups}; memset(s, 0xff, 16); /* poison until waited */ }
inline void copy_async_commit() { simt::cur->ngroups++; }
template<int N> inline void copy_async_wait() { auto* f = simt::cur; int k = 0; for (int i = 0; i < f->npend; i++) { auto& p = f->pend[i]; if (p.group < f->ngroups - N) { if (p.pred) memcpy(p.s, p.g, 16); else memset(p.s, 0, 16); } else f->pend[k++] = p; } f->npend = k; }
inline void load_matrix_x4(u32 (&r)[4], const void* p) { auto* S = simt::collect(0xffffffffu, r, 0, p, [](simt::Slot*) {}); int l = simt::cur->lane;
  for (int i = 0; i < 4; i++) r[i] = ((const u32*)S[i * 8 + l / 4].p)[l & 3]; }
inline void mma_bf16_16x8x16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  u32 w[10] = {a[0], a[1], a[2], a[3], b0, b1}; memcpy(w + 6, d, 16);
  auto* S = simt::collect(0xffffffffu, w, 10, nullptr, [](simt::Slot* S) {
    alignas(32) float A[16][16], B[16][8], C[16][8]; auto lo = [](u32 x) { return __uint_as_float(x << 16); }; auto hi = [](u32 x) { return __uint_as_float(x & 0xffff0000u); };
    for (int l = 0; l < 32; l++) { int g = l >> 2, t = l & 3; u32* w = S[l].w; float c[4]; memcpy(c, w + 6, 16);
      for (int i = 0; i < 4; i++) { int r = g + (i & 1) * 8, k = t * 2 + (i >> 1) * 8; A[r][k] = lo(w[i]); A[r][k + 1] = hi(w[i]); }
      for (int i = 0; i < 2; i++) { int k = t * 2 + i * 8; B[k][g] = lo(w[4 + i]); B[k + 1][g] = hi(w[4 + i]); }
      C[g][t * 2] = c[0]; C[g][t * 2 + 1] = c[1]; C[g + 8][t * 2] = c[2]; C[g + 8][t * 2 + 1] = c[3]; }
    for (int r = 0; r < 16; r++) { float acc[8]; for (int n = 0; n < 8; n++) acc[n] = C[r][n]; for (int k = 0; k < 16; k++) for (int n = 0; n < 8; n++) acc[n] += A[r][k] * B[k][n]; for (int n = 0; n < 8; n++) C[r][n] = acc[n]; }
    for (int l = 0; l < 32; l++) { int g = l >> 2, t = l & 3; float c[4] = {C[g][t * 2], C[g][t * 2 + 1], C[g + 8][t * 2], C[g + 8][t * 2 + 1]}; memcpy(S[l].w + 6, c, 16); }
  });
  memcpy(d, S[simt::cur->lane].w + 6, 16);
}

inline u16 float_to_half(float f) { _Float16 h = (_Float16)f; u16 u; memcpy(&u, &h, 2); return u; }
inline float half_to_float(u16 u) { _Float16 h; memcpy(&h, &u, 2); return (float)h; }
inline u32 simt_bf16(float f) { u32 u = __float_as_uint(f); if (f != f) return (u >> 16) | 0x40; u += 0x7fff + ((u >> 16) & 1); return u >> 16; }
inline u32 pack_bf16(float low, float high) { return simt_bf16(low) | simt_bf16(high) << 16; }
inline i32 dot_bytes(u32 a, u32 b, i32 d) { for (int i = 0; i < 4; i++) d += (i32)(i8)(a >> 8 * i) * (i32)(i8)(b >> 8 * i); return d; }
inline float exp2_fast(float x) { return exp2f(x); }
inline void prefetch_l2(const void*) {}
