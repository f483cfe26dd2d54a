// Types and qualifiers of CUDA C++.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict

namespace simt {
/// Values of 16 and 8 bytes that a call passes in one register.
typedef u32 Words4 __attribute__((vector_size(16), may_alias));
typedef u32 Words2 __attribute__((vector_size(8), may_alias));
typedef float Floats4 __attribute__((vector_size(16), may_alias));

/// A vector type is read and written in one piece as on the device: the copy is one access, so that its alignment can be checked.
#define HOOF_VECTOR(Name, Element, Count, Piece, ...)                                               \
  struct alignas(sizeof(Element) * Count) Name {                                                    \
    Element __VA_ARGS__;                                                                            \
    Name() = default;                                                                               \
    __forceinline__ Name(const Name &other) { *(simt::Piece *)this = *(const simt::Piece *)&other; } \
    __forceinline__ Name &operator=(const Name &other) {                                            \
      *(simt::Piece *)this = *(const simt::Piece *)&other;                                          \
      return *this;                                                                                 \
    }                                                                                               \
    __forceinline__ Name
}  // namespace simt

HOOF_VECTOR(float4, float, 4, Words4, x, y, z, w)(float a, float b, float c, float d) : x(a), y(b), z(c), w(d) {} };
HOOF_VECTOR(uint4, u32, 4, Words4, x, y, z, w)(u32 a, u32 b, u32 c, u32 d) : x(a), y(b), z(c), w(d) {} };
HOOF_VECTOR(int4, i32, 4, Words4, x, y, z, w)(i32 a, i32 b, i32 c, i32 d) : x(a), y(b), z(c), w(d) {} };
HOOF_VECTOR(float2, float, 2, Words2, x, y)(float a, float b) : x(a), y(b) {} };
HOOF_VECTOR(uint2, u32, 2, Words2, x, y)(u32 a, u32 b) : x(a), y(b) {} };
HOOF_VECTOR(int2, i32, 2, Words2, x, y)(i32 a, i32 b) : x(a), y(b) {} };
#undef HOOF_VECTOR

__forceinline__ float4 make_float4(float x, float y, float z, float w) { return float4(x, y, z, w); }
__forceinline__ uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return uint4(x, y, z, w); }
__forceinline__ int4 make_int4(i32 x, i32 y, i32 z, i32 w) { return int4(x, y, z, w); }
__forceinline__ float2 make_float2(float x, float y) { return float2(x, y); }
__forceinline__ uint2 make_uint2(u32 x, u32 y) { return uint2(x, y); }
__forceinline__ int2 make_int2(i32 x, i32 y) { return int2(x, y); }

struct uint3 {
  u32 x, y, z;
};
struct dim3 {
  u32 x, y, z;
  constexpr dim3(u32 x = 1, u32 y = 1, u32 z = 1) : x(x), y(y), z(z) {}
};
