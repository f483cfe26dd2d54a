// What every kernel file stands on: types, the warp and block vocabulary, and wrappers around inline PTX.
//
// One source compiles two ways: as CUDA (NVRTC → PTX) and as C++17 on the CPU behind the SIMT emulator (Sources/CUDAEmulator), which is how
// kernels are tested where there is no GPU. So that both mean the same:
//  - inline PTX stands only here and in hopper.h, each wrapper with a twin in the emulator;
//  - shared memory comes from HOOF_SHARED or HOOF_DYNAMIC_SHARED; kernels are HOOF_KERNEL and named again in HOOF_EXPORT;
//  - all lanes named in a mask reach the collective; nothing relies on lanes of a warp running in step;
//  - no headers but these: NVRTC has none at hand.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

#define HOOF_KERNEL extern "C" __global__ void
#define HOOF_EXPORT(kernel)
/// Static shared array, 16-byte aligned.
#define HOOF_SHARED(type, name, count) __shared__ __align__(16) type name[count]
/// The launch's dynamic shared memory, 1024-byte aligned.
#define HOOF_DYNAMIC_SHARED(type, name)                            \
  extern __shared__ __align__(1024) unsigned char hoof_dynamic_[]; \
  type *name = reinterpret_cast<type *>(hoof_dynamic_)

/// Address in the 32-bit shared window.
__device__ __forceinline__ u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

/// Copies 16 bytes (both sides 16-byte aligned) to shared memory in the background; writes zeros if !wanted (global is then not read).
__device__ __forceinline__ void copy_async_16(void *shared, const void *global, bool wanted) {
  int bytes = wanted ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}
/// The same for 4 bytes (4-byte aligned).
__device__ __forceinline__ void copy_async_4(void *shared, const void *global, bool wanted) {
  int bytes = wanted ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
/// Waits until at most `pending` of this thread's groups are under way; a barrier makes the data visible to other threads.
template <int pending> __device__ __forceinline__ void copy_async_wait() { asm volatile("cp.async.wait_group %0;\n" ::"n"(pending) : "memory"); }

/// Four 8×8 matrices of 16-bit elements; lane l names the row l%8 of matrix l/8 (16-byte aligned). r[i] holds row lane/4, columns
/// 2·(lane%4) and +1 of matrix i.
__device__ __forceinline__ void load_matrix_x4(u32 (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
/// The same with each matrix transposed.
__device__ __forceinline__ void load_matrix_x4_transposed(u32 (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
/// d [16, 8] f32 += a [16, 16] bf16 · b [16, 8] bf16. PTX ISA, "Matrix Fragments for mma.m16n8k16": with g = lane/4, t = lane%4,
/// a[0] = A[g][2t..], a[1] = A[g+8][2t..], a[2] = A[g][2t+8..], a[3] = A[g+8][2t+8..]; b0 = B[2t..][g], b1 = B[2t+8..][g];
/// d[0], d[1] = D[g][2t, 2t+1]; d[2], d[3] = D[g+8][2t, 2t+1].
__device__ __forceinline__ void mma_bf16_16x8x16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/// d [16, 8] f32 += a [16, 8] tf32 · b [8, 8] tf32: a[0] = A[g][t], a[1] = A[g+8][t], a[2] = A[g][t+4], a[3] = A[g+8][t+4];
/// b0 = B[t][g], b1 = B[t+4][g]; d as above.
__device__ __forceinline__ void mma_tf32_16x8x8(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/// f32 → tf32 (10 explicit bits of mantissa), to nearest, ties away from zero.
__device__ __forceinline__ u32 round_to_tf32(float x) {
  u32 r;
  asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(r) : "f"(x));
  return r;
}
/// Barrier `id` (1...15; 0 is __syncthreads) for `threads` threads, a multiple of 32.
__device__ __forceinline__ void named_barrier(int id, int threads) { asm volatile("bar.sync %0, %1;\n" ::"r"(id), "r"(threads) : "memory"); }

__device__ __forceinline__ float half_to_float(u16 h) {
  float f;
  asm("cvt.f32.f16 %0, %1;\n" : "=f"(f) : "h"(h));
  return f;
}
/// To nearest even; NaN stays NaN.
__device__ __forceinline__ u16 float_to_half(float f) {
  u16 h;
  asm("cvt.rn.f16.f32 %0, %1;\n" : "=h"(h) : "f"(f));
  return h;
}
/// Two bf16 in one word, low first, to nearest even.
__device__ __forceinline__ u32 pack_bf16(float low, float high) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
/// 2^x within 2 units in the last place, in one instruction: results below the normal numbers are 0.
__device__ __forceinline__ float exp2_approximate(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(r) : "f"(x));
  return r;
}
/// Fetches the 128 bytes around an address into the second cache, if it can.
__device__ __forceinline__ void prefetch_l2(const void *p) { asm volatile("prefetch.global.L2 [%0];\n" ::"l"(p)); }
/// d + Σ of four products of signed bytes.
__device__ __forceinline__ i32 dot_bytes(u32 a, u32 b, i32 d) {
  i32 r;
  asm("dp4a.s32.s32 %0, %1, %2, %3;\n" : "=r"(r) : "r"(a), "r"(b), "r"(d));
  return r;
}
#else
#include "simt.h"
#endif

struct bf16 {
  u16 bits;
};
struct f16 {
  u16 bits;
};
static_assert(sizeof(bf16) == 2 && sizeof(f16) == 2, "16-bit element types");

#define HOOF_INLINE __device__ __forceinline__

HOOF_INLINE float infinity() { return __uint_as_float(0x7f800000u); }

HOOF_INLINE float to_float(float x) { return x; }
HOOF_INLINE float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
HOOF_INLINE float to_float(f16 x) { return half_to_float(x.bits); }

template <class T> HOOF_INLINE T from_float(float x);
template <> HOOF_INLINE float from_float<float>(float x) { return x; }
template <> HOOF_INLINE bf16 from_float<bf16>(float x) { return bf16{(u16)pack_bf16(x, 0.0f)}; }
template <> HOOF_INLINE f16 from_float<f16>(float x) { return f16{float_to_half(x)}; }

/// Sum and maximum over the warp, the same in all lanes.
HOOF_INLINE float warp_sum(float x) {
  for (int offset = 16; offset > 0; offset >>= 1) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}
HOOF_INLINE float warp_max(float x) {
  for (int offset = 16; offset > 0; offset >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}
