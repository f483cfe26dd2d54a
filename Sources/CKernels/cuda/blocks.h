// Decoding of GGUF's quantised blocks, shared by everything that reads them.
//
// Q8_0: 34 bytes for 32 values: f16 scale d, 32 signed bytes; value = d·q. Blocks follow each other without padding, so only 2-byte
// alignment is certain, and bytes are read two at a time.
// Q4_K: 144 bytes for 256 values: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima of 8 sub-blocks, 128 bytes of nibbles;
// value = d·scale·q - dmin·minimum. 144 is a multiple of 16, so blocks are as aligned as the tensor; 4-byte alignment is assumed.
// Rows start at a block of their own. Where a row ends inside a block, the rest of that block holds numbers that must not be used.
#pragma once
#include "device.h"

struct q8_0 {
  static constexpr int elements = 32, bytes = 34;
};
struct q4_K {
  static constexpr int elements = 256, bytes = 144;
};

/// What turns the quants of 32 neighbours into values: value = scale·q - offset.
struct BlockScale {
  float scale, offset;
};

HOOF_INLINE u32 load_u16(const u8 *p) { return *reinterpret_cast<const u16 *>(p); }
HOOF_INLINE u32 load_u32(const u8 *p) { return *reinterpret_cast<const u32 *>(p); }

/// A signed byte of a word, as a float.
HOOF_INLINE float signed_byte(u32 word, int index) { return (float)(i8)(word >> 8 * index); }

HOOF_INLINE BlockScale block_scale(q8_0, const u8 *block, int) { return {half_to_float((u16)load_u16(block)), 0.0f}; }

/// Sub-block 0...7. The first four scales and minima are whole bytes' low six bits; the others have their low four bits in bytes 8...11
/// and their top two bits above the first ones.
HOOF_INLINE BlockScale q4_K_scale(u32 d, u32 first, u32 second, u32 third, int sub_block) {
  int shift = 8 * (sub_block & 3);
  u32 scale = first >> shift & 0xff, minimum = second >> shift & 0xff;
  if (sub_block >= 4) {
    u32 low = third >> shift & 0xff;
    scale = (low & 15) | scale >> 6 << 4;
    minimum = low >> 4 | minimum >> 6 << 4;
  }
  return {half_to_float((u16)d) * (float)(scale & 63), half_to_float((u16)(d >> 16)) * (float)(minimum & 63)};
}
HOOF_INLINE BlockScale block_scale(q4_K, const u8 *block, int sub_block) {
  return q4_K_scale(load_u32(block), load_u32(block + 4), load_u32(block + 8), load_u32(block + 12), sub_block);
}

/// The quants of four neighbours from `column` (a multiple of 4 within the row) on, one a byte: signed for Q8_0, 0...15 for Q4_K.
HOOF_INLINE u32 block_quants(q8_0, const u8 *row, i64 column) {
  const u8 *block = row + column / 32 * q8_0::bytes + 2 + column % 32;
  return load_u16(block) | load_u16(block + 2) << 16;
}
HOOF_INLINE u32 block_quants(q4_K, const u8 *row, i64 column) {
  const u8 *block = row + column / 256 * q4_K::bytes;
  // Sub-blocks 2i and 2i + 1 share 32 bytes: low nibbles first.
  int within = (int)(column % 256);
  return load_u32(block + 16 + within / 64 * 32 + within % 32) >> (within & 32 ? 4 : 0) & 0x0f0f0f0fu;
}

/// The scale that holds at `column` of a row.
HOOF_INLINE BlockScale block_scale_at(q8_0 type, const u8 *row, i64 column) {
  return block_scale(type, row + column / 32 * q8_0::bytes, 0);
}
HOOF_INLINE BlockScale block_scale_at(q4_K type, const u8 *row, i64 column) {
  return block_scale(type, row + column / 256 * q4_K::bytes, (int)(column % 256) / 32);
}

/// `count` values (4, 8, 16 or 32) from `column`, a multiple of `count`, on; all of one scale.
template <int count, class Block> HOOF_INLINE void decode_blocks(float *x, const u8 *row, i64 column) {
  static_assert(count % 4 == 0 && 32 % count == 0, "neighbours of one scale");
  BlockScale s = block_scale_at(Block{}, row, column);
#pragma unroll
  for (int k = 0; k < count; k += 4) {
    u32 quants = block_quants(Block{}, row, column + k);
#pragma unroll
    for (int j = 0; j < 4; j++) x[k + j] = s.scale * signed_byte(quants, j) - s.offset;
  }
}

/// One value.
template <class Block> HOOF_INLINE float decode_block(const u8 *row, i64 column) {
  BlockScale s = block_scale_at(Block{}, row, column);
  return s.scale * signed_byte(block_quants(Block{}, row, column & ~(i64)3), (int)(column & 3)) - s.offset;
}
