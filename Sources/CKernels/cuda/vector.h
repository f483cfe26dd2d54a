// Moving elements between memory and registers as floats, for kernels that are limited by memory.
//
// A tile is what a team of `lanes` threads handles at once; each thread has steps·width elements of it in registers. With packets
// (width > 1) they are `steps` groups of `width` neighbours, each an access of up to 16 bytes; for unaligned pointers and ragged ends there
// are tiles of width 1. Either way lanes are coalesced and a thread has all its loads under way at once. All arrays that a kernel reads
// through the same tile agree on which element index i means.
#pragma once
#include "device.h"

/// Elements of the widest type that fill 16 bytes: the width of packed accesses when all types of a kernel are as wide or narrower.
template <class A, class B = A> constexpr int packet_width = 16 / (sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B));

HOOF_INLINE bool is_aligned(const void *p, int bytes) { return ((u64)p & (u64)(bytes - 1)) == 0; }
/// Whether a pointer allows accesses of `width` elements.
template <int width, class T> HOOF_INLINE bool takes_packets(const T *p) { return is_aligned(p, width * (int)sizeof(T)); }

template <int bytes> struct Words;
template <> struct Words<4> {
  u32 w[1];
  HOOF_INLINE void load(const void *p) { w[0] = *static_cast<const u32 *>(p); }
  HOOF_INLINE void store(void *p) const { *static_cast<u32 *>(p) = w[0]; }
};
template <> struct Words<8> {
  u32 w[2];
  HOOF_INLINE void load(const void *p) {
    uint2 v = *static_cast<const uint2 *>(p);
    w[0] = v.x, w[1] = v.y;
  }
  HOOF_INLINE void store(void *p) const {
    uint2 v;
    v.x = w[0], v.y = w[1];
    *static_cast<uint2 *>(p) = v;
  }
};
template <> struct Words<16> {
  u32 w[4];
  HOOF_INLINE void load(const void *p) {
    uint4 v = *static_cast<const uint4 *>(p);
    w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
  }
  HOOF_INLINE void store(void *p) const {
    uint4 v;
    v.x = w[0], v.y = w[1], v.z = w[2], v.w = w[3];
    *static_cast<uint4 *>(p) = v;
  }
};

HOOF_INLINE void unpack(float *x, u32 word, float) { x[0] = __uint_as_float(word); }
HOOF_INLINE void unpack(float *x, u32 word, bf16) { x[0] = __uint_as_float(word << 16), x[1] = __uint_as_float(word & 0xffff0000u); }
HOOF_INLINE void unpack(float *x, u32 word, f16) { x[0] = half_to_float((u16)word), x[1] = half_to_float((u16)(word >> 16)); }
HOOF_INLINE u32 pack(const float *x, float) { return __float_as_uint(x[0]); }
HOOF_INLINE u32 pack(const float *x, bf16) { return pack_bf16(x[0], x[1]); }
HOOF_INLINE u32 pack(const float *x, f16) { return float_to_half(x[0]) | (u32)float_to_half(x[1]) << 16; }

/// `width` neighbours in accesses of at most 16 bytes; one element needs no alignment but its own.
template <int width, class T> HOOF_INLINE void load_packet(float *x, const T *p) {
  if constexpr (width == 1) {
    x[0] = to_float(*p);
  } else {
    constexpr int bytes = width * (int)sizeof(T) < 16 ? width * (int)sizeof(T) : 16, per_word = 4 / (int)sizeof(T);
#pragma unroll
    for (int k = 0; k < width; k += bytes / (int)sizeof(T)) {
      Words<bytes> words;
      words.load(p + k);
#pragma unroll
      for (int i = 0; i < bytes / 4; i++) unpack(x + k + i * per_word, words.w[i], T{});
    }
  }
}
template <int width, class T> HOOF_INLINE void store_packet(T *p, const float *x) {
  if constexpr (width == 1) {
    *p = from_float<T>(x[0]);
  } else {
    constexpr int bytes = width * (int)sizeof(T) < 16 ? width * (int)sizeof(T) : 16, per_word = 4 / (int)sizeof(T);
#pragma unroll
    for (int k = 0; k < width; k += bytes / (int)sizeof(T)) {
      Words<bytes> words;
#pragma unroll
      for (int i = 0; i < bytes / 4; i++) words.w[i] = pack(x + k + i * per_word, T{});
      words.store(p + k);
    }
  }
}

/// Elements a thread has in registers at a time, of each array.
constexpr int tile_elements = 16;

template <int step_count, int packet_elements> struct Tile {
  static constexpr int steps = step_count, width = packet_elements, count = steps * width;
  /// The tile begins at element `start`; of the elements from there on, `left` exist. With packets, left is a multiple of width or at least
  /// the tile.
  i64 start, left;
  int lane, lanes;

  /// Position in the tile of the first element of a step.
  HOOF_INLINE int position(int step) const { return (step * lanes + lane) * width; }
  HOOF_INLINE bool has(int step) const { return position(step) < left; }
  /// The number of element i, counted like `start`.
  HOOF_INLINE i64 index(int i) const { return start + position(i / width) + i % width; }

  /// Elements that do not exist are `rest`.
  template <class T> HOOF_INLINE void load(float (&x)[count], const T *p, float rest = 0) const {
#pragma unroll
    for (int s = 0; s < steps; s++) {
      if (has(s)) {
        load_packet<width>(x + s * width, p + start + position(s));
      } else {
#pragma unroll
        for (int k = 0; k < width; k++) x[s * width + k] = rest;
      }
    }
  }
  template <class T> HOOF_INLINE void store(T *p, const float (&x)[count]) const {
#pragma unroll
    for (int s = 0; s < steps; s++)
      if (has(s)) store_packet<width>(p + start + position(s), x + s * width);
  }
};

/// Gives each block its share of `count` elements in one run: body(tile), with packets where `packed` allows it. The launch has
/// ceil(count / (threads·tile_elements)) blocks.
template <int width, class Body> HOOF_INLINE void over_elements(i64 count, bool packed, Body body) {
  int lane = threadIdx.x, lanes = blockDim.x, size = lanes * tile_elements;
  i64 start = (i64)blockIdx.x * size, left = count - start;
  if (packed && (left >= size || left % width == 0)) {
    body(Tile<tile_elements / width, width>{start, left, lane, lanes});
  } else {
#pragma unroll 1
    for (int done = 0; done < size && done < left; done += 4 * lanes) body(Tile<4, 1>{start + done, left - done, lane, lanes});
  }
}

/// Walks a team along a row of `columns` elements, body(tile): `elements` a thread at a time in packets, which need columns to be a
/// multiple of width, or 4 single ones.
template <int width, int elements, class Body> HOOF_INLINE void over_row(i64 columns, bool packed, int lane, int lanes, Body body) {
  if (packed) {
#pragma unroll 1
    for (i64 at = 0; at < columns; at += lanes * elements) body(Tile<elements / width, width>{at, columns - at, lane, lanes});
  } else {
#pragma unroll 1
    for (i64 at = 0; at < columns; at += lanes * 4) body(Tile<4, 1>{at, columns - at, lane, lanes});
  }
}
/// The same from the row's end to its start: what was read last is still in the caches.
template <int width, int elements, class Body>
HOOF_INLINE void over_row_backwards(i64 columns, bool packed, int lane, int lanes, Body body) {
  i64 size = packed ? lanes * elements : lanes * 4, last = (columns - 1) / size * size;
  if (packed) {
#pragma unroll 1
    for (i64 at = last; at >= 0; at -= size) body(Tile<elements / width, width>{at, columns - at, lane, lanes});
  } else {
#pragma unroll 1
    for (i64 at = last; at >= 0; at -= size) body(Tile<4, 1>{at, columns - at, lane, lanes});
  }
}
