// copy, gatherRows and copyRows. Copies between dense types run over one long row of elements, 16 a thread in packets; equal types are moved by the
// driver. Gathering, and copying quantised matrices (whose rows may end inside a block), works by rows: a team of up to 256 threads has a
// row, wide rows are cut into pieces (blockIdx.y), and each thread decodes 4 or 8 neighbours of one scale at a time. Each byte is read once
// from memory; a block's scale is read by its neighbours from the cache.
#include "blocks.h"
#include "vector.h"

template <class From, class To> HOOF_INLINE void copy(const From *x, To *out, i64 count) {
  constexpr int width = packet_width<From, To>;
  over_elements<width>(count, takes_packets<width>(x) && takes_packets<width>(out), [=](auto tile) {
    float v[tile.count];
    tile.load(v, x);
    tile.store(out, v);
  });
}

/// The elements of a tile from a row of a table: dense types as they are, blocks decoded.
template <class T> struct TableRow {
  const T *row;
  HOOF_INLINE TableRow(const u8 *table, i64 id, i64 rowBytes) : row(reinterpret_cast<const T *>(table + id * rowBytes)) {}
  template <int width> HOOF_INLINE bool takes() const { return takes_packets<width>(row); }
  template <class Tile> HOOF_INLINE void load(float (&x)[Tile::count], Tile tile) const { tile.load(x, row); }
};
template <class Block> struct TableBlocks {
  const u8 *row;
  HOOF_INLINE TableBlocks(const u8 *table, i64 id, i64 rowBytes) : row(table + id * rowBytes) {}
  template <int width> HOOF_INLINE bool takes() const { return true; }
  template <class Tile> HOOF_INLINE void load(float (&x)[Tile::count], Tile tile) const {
#pragma unroll
    for (int s = 0; s < Tile::steps; s++) {
      if (!tile.has(s)) continue;
      i64 column = tile.start + tile.position(s);
      if constexpr (Tile::width == 1) {
        x[s] = decode_block<Block>(row, column);
      } else {
        decode_blocks<Tile::width, Block>(x + s * Tile::width, row, column);
      }
    }
  }
};
template <> struct TableRow<q8_0> : TableBlocks<q8_0> {
  using TableBlocks<q8_0>::TableBlocks;
};
template <> struct TableRow<q4_K> : TableBlocks<q4_K> {
  using TableBlocks<q4_K>::TableBlocks;
};

/// out[n] = table[ids[n]], or table[n] without ids. An id outside the table gives a row of NaN.
template <class From, class To>
HOOF_INLINE void gather_rows(
    const u8 *__restrict__ table, const i32 *__restrict__ ids, To *__restrict__ out, i64 rows, i64 columns, i64 rowBytes, i64 tableRows,
    i32 lanes) {
  // Blocks count as bytes here: the width follows from the output.
  constexpr int width = packet_width<From, To> < 8 ? packet_width<From, To> : 8;
  i64 n = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  if (n >= rows) return;
  i64 id = ids ? ids[n] : n;
  bool known = id >= 0 && id < tableRows;
  TableRow<From> row(table, known ? id : 0, rowBytes);
  To *target = out + n * columns;
  int lane = threadIdx.x % lanes;
  auto move = [&](auto tile) {
    constexpr int count = decltype(tile)::count;
    float x[count];
    if (known) {
      row.load(x, tile);
    } else {
#pragma unroll
      for (int i = 0; i < count; i++) x[i] = __uint_as_float(0x7fc00000u);
    }
    tile.store(target, x);
  };
  bool packed = row.template takes<width>() && takes_packets<width>(target) && columns % width == 0;
  for (i64 start = (i64)blockIdx.y * (lanes * tile_elements); start < columns; start += (i64)gridDim.y * (lanes * tile_elements)) {
    if (packed) {
      move(Tile<tile_elements / width, width>{start, columns - start, lane, lanes});
    } else {
#pragma unroll 1
      for (int done = 0; done < lanes * tile_elements && start + done < columns; done += 4 * lanes)
        move(Tile<4, 1>{start + done, columns - start - done, lane, lanes});
    }
  }
}

template <class Word> HOOF_INLINE void copy_row(const u8 *from, u8 *to, i64 rowBytes, int lane, int lanes) {
  for (i64 i = lane; i < rowBytes / (i64)sizeof(Word); i += lanes)
    reinterpret_cast<Word *>(to)[i] = reinterpret_cast<const Word *>(from)[i];
}

/// out[targets[n]] = x[sources[n]], or x[n] without sources, byte for byte. Ids outside of x or out are skipped. No row is read and written
/// both, so that x may be out.
HOOF_KERNEL __launch_bounds__(256) hoof_copy_rows(
    const u8 *x, const i32 *sources, u8 *out, const i32 *targets, i64 count, i64 rowBytes, i64 rows, i64 outRows, i32 lanes) {
  i64 n = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  if (n >= count) return;
  i64 source = sources ? sources[n] : n, target = targets[n];
  if (source < 0 || source >= rows || target < 0 || target >= outRows) return;
  const u8 *from = x + source * rowBytes;
  u8 *to = out + target * rowBytes;
  int lane = threadIdx.x % lanes;
  if (is_aligned(x, 16) && is_aligned(out, 16) && rowBytes % 16 == 0) {
    copy_row<uint4>(from, to, rowBytes, lane, lanes);
  } else {
    copy_row<u16>(from, to, rowBytes, lane, lanes);
  }
}
HOOF_EXPORT(hoof_copy_rows)

#define COPY(from, to, From, To)                                                                                                   \
  HOOF_KERNEL __launch_bounds__(256) hoof_copy_##from##_##to(const From *x, To *out, i64 count) { copy(x, out, count); }            \
  HOOF_EXPORT(hoof_copy_##from##_##to)
COPY(f32, f16, float, f16)
COPY(f32, bf16, float, bf16)
COPY(f16, f32, f16, float)
COPY(f16, bf16, f16, bf16)
COPY(bf16, f32, bf16, float)
COPY(bf16, f16, bf16, f16)

#define GATHER(from, to, From, To)                                                                                                 \
  HOOF_KERNEL __launch_bounds__(256) hoof_gather_rows_##from##_##to(                                                               \
      const u8 *table, const i32 *ids, To *out, i64 rows, i64 columns, i64 rowBytes, i64 tableRows, i32 lanes) {                   \
    gather_rows<From>(table, ids, out, rows, columns, rowBytes, tableRows, lanes);                                                 \
  }                                                                                                                                \
  HOOF_EXPORT(hoof_gather_rows_##from##_##to)
#define GATHER_FLOATS(from, From)     \
  GATHER(from, f32, From, float)      \
  GATHER(from, bf16, From, bf16)
GATHER_FLOATS(f32, float)
GATHER_FLOATS(f16, f16)
GATHER_FLOATS(bf16, bf16)
GATHER_FLOATS(q8_0, q8_0)
GATHER_FLOATS(q4_K, q4_K)
GATHER(q8_0, f16, q8_0, f16)
GATHER(q4_K, f16, q4_K, f16)
