// How products of f32 activations read their operands: four neighbours of a row at a time, of any type, as f32.
#pragma once
#include "blocks.h"
#include "device.h"

HOOF_INLINE float half_word(u32 word, bf16) { return __uint_as_float(word << 16); }
HOOF_INLINE float half_word(u32 word, f16) { return half_to_float((u16)word); }
HOOF_INLINE float half_word(u32 word, float) { return __uint_as_float(word); }

/// Rows of `columns` elements of T: values from `column` on (a multiple of 4), of which `left` exist; others are 0.
/// `packed`: four elements of a dense row are aligned to their size.
template <class T> struct Rows {
  HOOF_INLINE static int bytes(int columns) { return columns * (int)sizeof(T); }
  HOOF_INLINE static float4 four(const u8 *row, int column, int left, bool packed) {
    const T *p = reinterpret_cast<const T *>(row) + column;
    float4 x;
    if (packed && left >= 4) {
      if (sizeof(T) == 4) {
        x = *reinterpret_cast<const float4 *>(p);
      } else {
        uint2 words = *reinterpret_cast<const uint2 *>(p);
        x.x = half_word(words.x, T{}), x.y = half_word(words.x >> 16, T{});
        x.z = half_word(words.y, T{}), x.w = half_word(words.y >> 16, T{});
      }
    } else {
      x.x = left > 0 ? to_float(p[0]) : 0.0f, x.y = left > 1 ? to_float(p[1]) : 0.0f;
      x.z = left > 2 ? to_float(p[2]) : 0.0f, x.w = left > 3 ? to_float(p[3]) : 0.0f;
    }
    return x;
  }
};

template <class Block> struct BlockRows {
  HOOF_INLINE static int bytes(int columns) { return (columns + Block::elements - 1) / Block::elements * Block::bytes; }
  HOOF_INLINE static float4 four(const u8 *row, int column, int left, bool) {
    float x[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (left > 0) decode_blocks<4, Block>(x, row, column);
    float4 result;
    result.x = x[0], result.y = left > 1 ? x[1] : 0.0f, result.z = left > 2 ? x[2] : 0.0f, result.w = left > 3 ? x[3] : 0.0f;
    return result;
  }
};
template <> struct Rows<q8_0> : BlockRows<q8_0> {};
template <> struct Rows<q4_K> : BlockRows<q4_K> {};

/// A thread's fours of tiles of an operand, one tile after the other along k. The tile has across · k_of_tile values; see DenseLoader in
/// tile_bf16.h for the parameters.
template <class T, bool along_k, int across, int k_of_tile, int threads> struct FourLoader {
  static constexpr int fours = (along_k ? k_of_tile : across) / 4, rows_at_once = threads / fours;
  static constexpr int passes = across * k_of_tile / 4 / threads;
  static_assert(threads % fours == 0 && passes > 0, "threads share the tile evenly");

  float4 x[passes];
  const u8 *data;
  int row_bytes;
  /// The next tile: this thread's first row in memory and first column, and what is left from there on.
  int line, start, across_left, k_left;
  bool packed;

  HOOF_INLINE static int row() { return threadIdx.x / fours; }
  HOOF_INLINE static int column() { return threadIdx.x % fours * 4; }

  HOOF_INLINE FourLoader(const void *data, int columns, int first, int extent, int k_begin, int k_end, bool packed)
      : data(static_cast<const u8 *>(data)), row_bytes(Rows<T>::bytes(columns)), packed(packed) {
    line = (along_k ? first : k_begin) + row(), start = (along_k ? k_begin : first) + column();
    across_left = extent - first - (along_k ? row() : column());
    k_left = k_end - k_begin - (along_k ? column() : row());
  }

  /// Loads the next tile's values into x. x[i] holds the columns column() ... + 3 of the tile's row row() + i·rows_at_once.
  HOOF_INLINE void load() {
#pragma unroll
    for (int i = 0; i < passes; i++) {
      bool exists = along_k ? i * rows_at_once < across_left : i * rows_at_once < k_left;
      int left = !exists ? 0 : along_k ? k_left : across_left;
      x[i] = Rows<T>::four(data + (i64)(line + i * rows_at_once) * row_bytes, start, left, packed);
    }
    k_left -= k_of_tile;
    if (along_k)
      start += k_of_tile;
    else
      line += k_of_tile;
  }
};

/// Blocks of a product kernel on one multiprocessor: decoding needs more registers than a second block leaves.
template <class T> inline constexpr int blocks_at_once = 2;
template <> inline constexpr int blocks_at_once<q8_0> = 1;
template <> inline constexpr int blocks_at_once<q4_K> = 1;
