// The counter-based hash of TensorCore's CounterHash, and rounding by it.
#pragma once
#include "device.h"

struct CounterHash {
  u32 first, second;

  HOOF_INLINE static u32 mix(u32 x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
  }
  HOOF_INLINE u32 operator()(i64 index) const {
    return mix(mix((u32)index ^ first) + second + (u32)((u64)index >> 32) * 0x9e3779b9u);
  }
};

/// x as a T holds it: away from zero where the 24 upper bits of the hash, as a fraction, are below what truncating would drop.
template <class T> HOOF_INLINE float dithered(float x, u32 hash);
template <> HOOF_INLINE float dithered<float>(float x, u32) { return x; }
template <> HOOF_INLINE float dithered<bf16>(float x, u32 hash) {
  u32 bits = __float_as_uint(x);
  return x != x ? x : __uint_as_float((bits & 0xffff0000u) + (hash >> 16 < (bits & 0xffffu) ? 0x10000u : 0u));
}
/// An f16 has 13 bits less than an f32, and from 2⁻¹⁴ down, where its exponent ends, one more for each halving.
template <> HOOF_INLINE float dithered<f16>(float x, u32 hash) {
  u32 bits = __float_as_uint(x), size = bits & 0x7fffffffu, exponent = size >> 23, half;
  hash >>= 8;
  if (x != x) return x;
  if (exponent > 142) {
    half = 0x7c00;
  } else if (exponent >= 113) {
    half = ((size - (112u << 23)) >> 13) + (hash < (size & 0x1fffu) << 11 ? 1 : 0);
  } else {
    u32 digits = exponent ? (size & 0x7fffffu) | 0x800000u : size, drop = 126 - (exponent ? exponent : 1);
    u32 fraction = drop <= 24 ? (digits & ((1u << drop) - 1)) << (24 - drop) : drop < 48 ? digits >> (drop - 24) : 0;
    half = (drop < 24 ? digits >> drop : 0) + (hash < fraction ? 1 : 0);
  }
  return half_to_float((u16)(bits >> 16 & 0x8000u | half));
}
