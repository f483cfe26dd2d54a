// Reductions down the rows. A block of 256 threads takes 32 packets of columns and one part of the rows (blockIdx.y of gridDim.y): 32 lanes
// read along a row, 8 groups of them take turns with the rows, four rows under way at once. Sums stay in registers until the part's end,
// are joined in shared memory in a fixed order and written to the part's own line of scratch memory, which another kernel adds up in
// order: the result depends on shapes alone.
#pragma once
#include "vector.h"

constexpr int column_lanes = 32, row_groups = 8;
/// Floats of shared memory for `join_groups`.
constexpr int column_slots = row_groups * column_lanes * 8;

/// Gives the block its 32·width columns, body(tile): as packets, or one column a lane at a time.
template <int width, class Body> HOOF_INLINE void over_columns(i64 columns, bool packed, Body body) {
  int lane = threadIdx.x % column_lanes;
  i64 start = (i64)blockIdx.x * (column_lanes * width);
  if (packed) {
    body(Tile<1, width>{start, columns - start, lane, column_lanes});
  } else {
#pragma unroll 1
    for (int k = 0; k < width && start < columns; k++, start += column_lanes)
      body(Tile<1, 1>{start, columns - start, lane, column_lanes});
  }
}

/// body(row) for each row of this thread's group in this block's part.
template <class Body> HOOF_INLINE void over_part(i64 rows, Body body) {
  i64 height = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * height;
  i64 end = begin + height < rows ? begin + height : rows;
#pragma unroll 4
  for (i64 row = begin + threadIdx.x / column_lanes; row < end; row += row_groups) body(row);
}

/// Joins the groups' values in order and writes them to `out`, a row of as many columns as the tile's matrix.
template <class T, class Combine>
HOOF_INLINE void join_groups(T tile, float (&x)[T::count], float *out, float *shared, Combine combine) {
  int group = threadIdx.x / column_lanes;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < T::count; i++) shared[(group * T::count + i) * column_lanes + tile.lane] = x[i];
  __syncthreads();
  for (int i = group; i < T::count; i += row_groups) {
    float sum = shared[i * column_lanes + tile.lane];
    for (int g = 1; g < row_groups; g++) sum = combine(sum, shared[(g * T::count + i) * column_lanes + tile.lane]);
    if (tile.index(i) < tile.start + tile.left) out[tile.index(i)] = sum;
  }
}
