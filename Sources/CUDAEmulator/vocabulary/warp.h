// Collectives of a warp: every lane named in the mask has to reach them.
#pragma once
#include "threads.h"

namespace simt {
/// The value of lane `source` of the warp; the caller's own where `source` is negative.
u32 shuffle(u32 mask, u32 value, int source);
u64 shuffle_wide(u32 mask, u64 value, int source);
/// Bit l is lane l's predicate.
u32 ballot(u32 mask, int predicate);
void warp_barrier(u32 mask);
__attribute__((const)) u32 lane_index();

template <class T> __forceinline__ T shuffle_value(u32 mask, T value, int source) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 2, 4 or 8 bytes");
  if constexpr (sizeof(T) == 8) {
    u64 word = shuffle_wide(mask, __builtin_bit_cast(u64, value), source);
    return __builtin_bit_cast(T, word);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bit_cast(T, shuffle(mask, __builtin_bit_cast(u32, value), source));
  } else {
    return __builtin_bit_cast(T, (u16)shuffle(mask, __builtin_bit_cast(u16, value), source));
  }
}
/// `lane` where it lies in the caller's segment of `width` lanes, else -1.
__forceinline__ int in_segment(int lane, int width) {
  int first = (int)lane_index() & ~(width - 1);
  return lane >= first && lane < first + width ? lane : -1;
}
}  // namespace simt

template <class T> __forceinline__ T __shfl_sync(u32 mask, T value, int source, int width = 32) {
  return simt::shuffle_value(mask, value, ((int)simt::lane_index() & ~(width - 1)) + (source & (width - 1)));
}
template <class T> __forceinline__ T __shfl_xor_sync(u32 mask, T value, int bits, int width = 32) {
  // A lane of a later segment keeps its own value; one of an earlier segment may be read.
  int lane = (int)simt::lane_index(), source = lane ^ bits;
  return simt::shuffle_value(mask, value, source < (lane & ~(width - 1)) + width ? source : -1);
}
template <class T> __forceinline__ T __shfl_down_sync(u32 mask, T value, u32 delta, int width = 32) {
  return simt::shuffle_value(mask, value, simt::in_segment((int)(simt::lane_index() + delta), width));
}
template <class T> __forceinline__ T __shfl_up_sync(u32 mask, T value, u32 delta, int width = 32) {
  return simt::shuffle_value(mask, value, simt::in_segment((int)simt::lane_index() - (int)delta, width));
}
__forceinline__ u32 __ballot_sync(u32 mask, int predicate) { return simt::ballot(mask, predicate); }
__forceinline__ int __any_sync(u32 mask, int predicate) { return simt::ballot(mask, predicate) != 0; }
__forceinline__ int __all_sync(u32 mask, int predicate) { return simt::ballot(mask, !predicate) == 0; }
__forceinline__ void __syncwarp(u32 mask = 0xffffffffu) { simt::warp_barrier(mask); }
