// Brings tiles of a block-quantised operand into shared memory as bf16, for Bf16Tile::multiply.
//
// A thread takes 32 neighbours of one row: a whole Q8_0 block, or one of the eight sub-blocks of a Q4_K block. `store` decodes the raw
// bytes (9 or 12 registers) and at once starts the loads of the next tile's, which arrive while a whole slot is multiplied. A weight is
// read from memory once for every tile row of out; no decoded copy of it exists outside the tile.
#pragma once
#include "blocks.h"
#include "tile_bf16.h"

template <class Block> struct RawBlock;

template <> struct RawBlock<q8_0> {
  /// Blocks are 2-byte aligned. In every second block the quants lie on words: `words[0]` is the scale, then eight words of quants. In the
  /// others the scale and the first two quants share a word, and the last two are alone in `words[8]`.
  u32 words[9];
  bool straddles;

  HOOF_INLINE void load(const u8 *row, int column, bool) {
    const u8 *block = row + (i64)(column / 32) * q8_0::bytes;
    straddles = ((u64)block & 2) == 0;
    if (straddles) {
#pragma unroll
      for (int i = 0; i < 8; i++) words[i] = load_u32(block + 4 * i);
      words[8] = load_u16(block + 32);
    } else {
      words[0] = load_u16(block);
#pragma unroll
      for (int i = 0; i < 8; i++) words[i + 1] = load_u32(block + 2 + 4 * i);
    }
  }
  HOOF_INLINE BlockScale scale(int) const { return {half_to_float((u16)words[0]), 0.0f}; }
  /// Quants 4i ... 4i + 3.
  HOOF_INLINE u32 quants(int i, int) const { return straddles ? words[i] >> 16 | words[i + 1] << 16 : words[i + 1]; }
  HOOF_INLINE static float value(u32 quants, int i, BlockScale s) { return s.scale * signed_byte(quants, i); }
};

template <> struct RawBlock<q4_K> {
  u32 header[4], words[8];

  /// `packed`: blocks are 16-byte aligned.
  HOOF_INLINE void load(const u8 *row, int column, bool packed) {
    const u8 *block = row + (i64)(column / 256) * q4_K::bytes;
    const u8 *quants = block + 16 + column % 256 / 64 * 32;
    if (packed) {
      uint4 a = *(const uint4 *)block, b = *(const uint4 *)quants, c = *(const uint4 *)(quants + 16);
      header[0] = a.x, header[1] = a.y, header[2] = a.z, header[3] = a.w;
      words[0] = b.x, words[1] = b.y, words[2] = b.z, words[3] = b.w;
      words[4] = c.x, words[5] = c.y, words[6] = c.z, words[7] = c.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) header[i] = load_u32(block + 4 * i);
#pragma unroll
      for (int i = 0; i < 8; i++) words[i] = load_u32(quants + 4 * i);
    }
  }
  HOOF_INLINE BlockScale scale(int column) const { return q4_K_scale(header[0], header[1], header[2], header[3], column % 256 / 32); }
  HOOF_INLINE u32 quants(int i, int column) const { return words[i] >> (column & 32 ? 4 : 0) & 0x0f0f0f0fu; }
  HOOF_INLINE static float value(u32 quants, int i, BlockScale s) { return s.scale * (float)(quants >> 8 * i & 0xff) - s.offset; }
};

/// Has the interface of DenseLoader; `data` are rows of `columns` values in blocks. `packed`: the data are 16-byte aligned.
template <class Block, bool along_k, int across, int k_of_tile, int threads> struct BlockLoader {
  using Tile = OperandTile<along_k, across, k_of_tile>;
  static constexpr int groups = Tile::columns / 32;
  static_assert(Tile::rows * groups == threads, "32 values a thread");

  const u8 *data;
  int row_bytes, line;
  /// Values left along k; negative from the start for rows and columns that do not exist.
  int k_left;
  int row, group, column;
  bool packed;
  RawBlock<Block> raw;

  HOOF_INLINE BlockLoader(const void *data, int columns, int first, int extent, int k_begin, int k_end, bool packed)
      : data(static_cast<const u8 *>(data)), row(threadIdx.x / groups), group(threadIdx.x % groups), packed(packed) {
    row_bytes = (columns + Block::elements - 1) / Block::elements * Block::bytes;
    line = (along_k ? first : k_begin) + row;
    column = (along_k ? k_begin : first) + group * 32;
    bool exists = first + (along_k ? row : group * 32) < extent;
    k_left = exists ? k_end - k_begin - (along_k ? group * 32 : row) : -(1 << 30);
    load();
  }

  HOOF_INLINE void fetch(unsigned char *) {}

  /// Beyond the end of k there are zeros; beyond the end of rows across k there may be anything.
  HOOF_INLINE void store(unsigned char *slot) {
    BlockScale s = raw.scale(column);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      uint4 words;
      u32 first = raw.quants(2 * i, column), second = raw.quants(2 * i + 1, column);
      words.x = pair(first, 0, s), words.y = pair(first, 2, s), words.z = pair(second, 0, s), words.w = pair(second, 2, s);
      if (k_left <= 0) words.x = words.y = words.z = words.w = 0;
      if (along_k && k_left < 32) {
        int left = k_left - 8 * i;
        words.x = kept(words.x, left), words.y = kept(words.y, left - 2);
        words.z = kept(words.z, left - 4), words.w = kept(words.w, left - 6);
      }
      *reinterpret_cast<uint4 *>(slot + Tile::offset(row, group * 4 + i)) = words;
    }
    k_left -= k_of_tile;
    if (along_k)
      column += k_of_tile;
    else
      line += k_of_tile;
    load();
  }

private:
  HOOF_INLINE static u32 pair(u32 quants, int i, BlockScale s) {
    return pack_bf16(RawBlock<Block>::value(quants, i, s), RawBlock<Block>::value(quants, i + 1, s));
  }
  HOOF_INLINE void load() {
    if (k_left > 0) raw.load(data + (i64)line * row_bytes, column, packed);
  }
  /// The first `count` of a word's two values.
  HOOF_INLINE static u32 kept(u32 word, int count) { return count >= 2 ? word : count == 1 ? word & 0xffffu : 0; }
};
