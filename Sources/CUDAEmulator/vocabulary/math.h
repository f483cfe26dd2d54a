// Arithmetic intrinsics. Approximate ones (__expf, ...) are exact here: what differs on the device is inside every tolerance.
#pragma once
#include "types.h"

__forceinline__ float __uint_as_float(u32 bits) { return __builtin_bit_cast(float, bits); }
__forceinline__ u32 __float_as_uint(float x) { return __builtin_bit_cast(u32, x); }
__forceinline__ float __int_as_float(i32 bits) { return __builtin_bit_cast(float, bits); }
__forceinline__ i32 __float_as_int(float x) { return __builtin_bit_cast(i32, x); }
__forceinline__ i64 __double_as_longlong(double x) { return __builtin_bit_cast(i64, x); }
__forceinline__ double __longlong_as_double(i64 bits) { return __builtin_bit_cast(double, bits); }

// The smaller and the larger as CUDA overloads them: mixed signs become unsigned, and of a number and NaN the number.
#define HOOF_ORDER(T, A, B)                                            \
  __forceinline__ T min(A a, B b) { return (T)a < (T)b ? (T)a : (T)b; } \
  __forceinline__ T max(A a, B b) { return (T)a > (T)b ? (T)a : (T)b; }
HOOF_ORDER(i32, i32, i32)
HOOF_ORDER(u32, u32, u32)
HOOF_ORDER(u32, i32, u32)
HOOF_ORDER(u32, u32, i32)
HOOF_ORDER(i64, i64, i64)
HOOF_ORDER(u64, u64, u64)
HOOF_ORDER(u64, i64, u64)
HOOF_ORDER(u64, u64, i64)
HOOF_ORDER(long, long, long)
HOOF_ORDER(unsigned long, unsigned long, unsigned long)
#undef HOOF_ORDER
__forceinline__ float min(float a, float b) { return fminf(a, b); }
__forceinline__ float max(float a, float b) { return fmaxf(a, b); }
__forceinline__ double min(double a, double b) { return fmin(a, b); }
__forceinline__ double max(double a, double b) { return fmax(a, b); }
__forceinline__ float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }

__forceinline__ float rsqrtf(float x) { return 1.0f / sqrtf(x); }
__forceinline__ float __frsqrt_rn(float x) { return (float)(1.0 / sqrt((double)x)); }
__forceinline__ float __expf(float x) { return expf(x); }
/// 2^x; subnormal results are 0.
__forceinline__ float exp2_approximate(float x) {
  float r = exp2f(x);
  return r < 1.17549435e-38f ? 0.0f : r;
}
__forceinline__ float __exp10f(float x) { return exp10f(x); }
__forceinline__ float __logf(float x) { return logf(x); }
__forceinline__ float __log2f(float x) { return log2f(x); }
__forceinline__ float __sinf(float x) { return sinf(x); }
__forceinline__ float __cosf(float x) { return cosf(x); }
__forceinline__ float __powf(float x, float y) { return powf(x, y); }
__forceinline__ float __tanhf(float x) { return tanhf(x); }
__forceinline__ float __fdividef(float a, float b) { return a / b; }
__forceinline__ float __frcp_rn(float x) { return 1.0f / x; }
__forceinline__ float __fsqrt_rn(float x) { return sqrtf(x); }
__forceinline__ float __fdiv_rn(float a, float b) { return a / b; }
__forceinline__ float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
// Rounded by themselves, never contracted.
__forceinline__ float __fmul_rn(float a, float b) {
#pragma clang fp contract(off)
  return a * b;
}
__forceinline__ float __fadd_rn(float a, float b) {
#pragma clang fp contract(off)
  return a + b;
}
__forceinline__ float __fsub_rn(float a, float b) {
#pragma clang fp contract(off)
  return a - b;
}

// Conversions saturate and turn NaN into 0.
__forceinline__ i32 __float2int_rz(float x) {
  return x != x ? 0 : x >= 2147483648.0f ? 0x7fffffff : x <= -2147483648.0f ? (i32)0x80000000u : (i32)x;
}
__forceinline__ i32 __float2int_rn(float x) { return __float2int_rz(rintf(x)); }
__forceinline__ i32 __float2int_rd(float x) { return __float2int_rz(floorf(x)); }
__forceinline__ i32 __float2int_ru(float x) { return __float2int_rz(ceilf(x)); }
__forceinline__ u32 __float2uint_rn(float x) { return !(x > 0.0f) ? 0u : x >= 4294967296.0f ? 0xffffffffu : (u32)rintf(x); }
__forceinline__ float __int2float_rn(i32 x) { return (float)x; }
__forceinline__ float __uint2float_rn(u32 x) { return (float)x; }

__forceinline__ int __popc(u32 x) { return __builtin_popcount(x); }
__forceinline__ int __popcll(u64 x) { return __builtin_popcountll(x); }
__forceinline__ int __clz(i32 x) { return x ? __builtin_clz((u32)x) : 32; }
__forceinline__ int __clzll(i64 x) { return x ? __builtin_clzll((u64)x) : 64; }
__forceinline__ int __ffs(i32 x) { return __builtin_ffs(x); }
__forceinline__ int __ffsll(i64 x) { return __builtin_ffsll(x); }
__forceinline__ u32 __brev(u32 x) { return __builtin_bitreverse32(x); }
__forceinline__ u32 __umulhi(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
__forceinline__ i32 __mulhi(i32 a, i32 b) { return (i32)((i64)a * b >> 32); }
__forceinline__ u64 __umul64hi(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
__forceinline__ u32 __funnelshift_l(u32 low, u32 high, u32 shift) { return (u32)(((u64)high << 32 | low) << (shift & 31) >> 32); }
__forceinline__ u32 __funnelshift_r(u32 low, u32 high, u32 shift) { return (u32)(((u64)high << 32 | low) >> (shift & 31)); }
__forceinline__ u32 __byte_perm(u32 a, u32 b, u32 selector) {
  u32 result = 0;
  for (int i = 0; i < 4; i++) {
    u32 choice = selector >> 4 * i, byte = (u32)(((u64)b << 32 | a) >> 8 * (choice & 7)) & 0xff;
    result |= ((choice & 8) ? (byte & 0x80 ? 0xffu : 0u) : byte) << 8 * i;
  }
  return result;
}
__forceinline__ int __dp4a(int a, int b, int d) {
  for (int i = 0; i < 4; i++) d += (i32)(i8)(a >> 8 * i) * (i32)(i8)(b >> 8 * i);
  return d;
}
/// d + Σ of four products of signed bytes.
__forceinline__ i32 dot_bytes(u32 a, u32 b, i32 d) { return __dp4a((int)a, (int)b, d); }

// Conversions of 16-bit floats, to nearest even; NaN stays NaN.
__forceinline__ u16 float_to_half(float f) {
  if (f != f) return 0x7fff;
  return __builtin_bit_cast(u16, (_Float16)f);
}
__forceinline__ float half_to_float(u16 h) { return (float)__builtin_bit_cast(_Float16, h); }
namespace simt {
__forceinline__ u32 bf16_bits(float f) {
  if (f != f) return 0x7fff;
  u32 bits = __float_as_uint(f);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
}  // namespace simt
/// Two bf16 in one word, low first.
__forceinline__ u32 pack_bf16(float low, float high) { return simt::bf16_bits(low) | simt::bf16_bits(high) << 16; }
/// f32 → tf32 (10 explicit bits of mantissa), to nearest, ties away from zero.
__forceinline__ u32 round_to_tf32(float x) {
  u32 bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x != x ? 0x7fffffffu : bits;
  return (bits + 0x1000u) & 0xffffe000u;
}
