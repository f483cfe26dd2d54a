// columnSums, activationStatistics, scatterAddRows, rowDots, rowLogSumExp, rowArgmax. Reductions along rows: a warp a row, or a block a row
// where rows are long; 16 elements a thread are under way at once, every row is read once. Reductions down the rows: see columns.h.
// Nothing depends on the order in which blocks run. Sums are f32 in many short partial sums; parts are joined in double.
#include "columns.h"
#include "reduce.h"
#include "soft.h"

/// parts [gridDim.y, C] = column sums of each part of the rows.
template <class T> HOOF_INLINE void column_sums(const T *__restrict__ x, float *__restrict__ parts, i64 rows, i64 columns) {
  constexpr int width = packet_width<T>;
  HOOF_SHARED(float, shared, column_slots);
  float *slots = shared;
  over_columns<width>(columns, takes_packets<width>(x) && columns % width == 0, [=](auto tile) {
    constexpr int count = decltype(tile)::count;
    float sums[count] = {};
    over_part(rows, [&](i64 row) {
      float v[count];
      tile.load(v, x + row * columns);
#pragma unroll
      for (int i = 0; i < count; i++) sums[i] += v[i];
    });
    join_groups(tile, sums, parts + blockIdx.y * columns, slots, [](float a, float b) { return a + b; });
  });
}

/// The greater magnitude; NaN above all, as bit patterns of numbers >= 0 are ordered.
HOOF_INLINE float greater_magnitude(float a, float b) { return __float_as_uint(a) > __float_as_uint(b) ? a : b; }

/// parts [gridDim.y, 5·C]: Σ w|x|, Σ|x|, Σx, max|x|, count of |x| > threshold.
template <class T>
HOOF_INLINE void activation_statistics(
    const T *__restrict__ x, const float *__restrict__ weights, float threshold, float *__restrict__ parts, i64 rows, i64 columns) {
  constexpr int width = packet_width<T>;
  HOOF_SHARED(float, shared, column_slots);
  float *slots = shared;
  over_columns<width>(columns, takes_packets<width>(x) && columns % width == 0, [=](auto tile) {
    constexpr int count = decltype(tile)::count;
    float weighted[count] = {}, absolute[count] = {}, sum[count] = {}, greatest[count] = {}, above[count] = {};
    over_part(rows, [&](i64 row) {
      float v[count], weight = weights[row];
      tile.load(v, x + row * columns);
#pragma unroll
      for (int i = 0; i < count; i++) {
        float magnitude = fabsf(v[i]);
        weighted[i] = fmaf(weight, magnitude, weighted[i]);
        absolute[i] += magnitude;
        sum[i] += v[i];
        greatest[i] = greater_magnitude(magnitude, greatest[i]);
        above[i] += magnitude > threshold ? 1.0f : 0.0f;
      }
    });
    float *out = parts + blockIdx.y * 5 * columns;
    auto add = [](float a, float b) { return a + b; };
    join_groups(tile, weighted, out, slots, add);
    join_groups(tile, absolute, out + columns, slots, add);
    join_groups(tile, sum, out + 2 * columns, slots, add);
    join_groups(tile, greatest, out + 3 * columns, slots, [](float a, float b) { return greater_magnitude(a, b); });
    join_groups(tile, above, out + 4 * columns, slots, add);
  });
}

/// out[c] = Σ_p parts[p][c] + beta·out[c], the sum in double and in order of p within each of eight groups; columns from `maxima` to
/// `maximaEnd` get the greatest magnitude instead. 32 columns a block.
HOOF_KERNEL __launch_bounds__(256) hoof_merge_parts(
    const float *parts, i32 count, i64 columns, float beta, float *out, i64 maxima, i64 maximaEnd) {
  HOOF_SHARED(double, shared, row_groups * column_lanes);
  int lane = threadIdx.x % column_lanes, group = threadIdx.x / column_lanes;
  i64 column = (i64)blockIdx.x * column_lanes + lane;
  bool keepsGreatest = column >= maxima && column < maximaEnd;
  double sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int p = group; p < count; p += row_groups) {
      float part = parts[p * columns + column];
      sum = keepsGreatest ? (double)greater_magnitude((float)sum, part) : sum + (double)part;
    }
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (group > 0 || column >= columns) return;
  for (int g = 1; g < row_groups; g++) {
    double other = shared[g * column_lanes + lane];
    sum = keepsGreatest ? (double)greater_magnitude((float)sum, (float)other) : sum + other;
  }
  out[column] = (float)(beta == 0 ? sum : sum + (double)beta * (double)out[column]);
}
HOOF_EXPORT(hoof_merge_parts)

/// table[ids[n]] += x[n] in order of n. The block of the first n with an id adds all rows of that id, 4096 columns (blockIdx.y) at a time:
/// it scans the ids once, 256 at a time. Ids outside the table are skipped.
template <class T>
HOOF_INLINE void scatter_add_rows(
    const T *__restrict__ x, const i32 *__restrict__ ids, float *__restrict__ table, i32 count, i64 columns, i32 tableRows) {
  HOOF_SHARED(u32, found, 8);
  int lane = threadIdx.x, warp = lane / 32, first = blockIdx.x;
  i32 id = ids[first];
  if (id < 0 || id >= tableRows) return;
  bool seen = false;
  for (int n = lane; n < first; n += blockDim.x) seen = seen || ids[n] == id;
  u32 any = __ballot_sync(0xffffffffu, seen);
  if (lane % 32 == 0) found[warp] = any;
  __syncthreads();
  for (int w = 0; w < 8; w++)
    if (found[w]) return;

  constexpr int width = packet_width<T, float>;
  auto add = [=](auto tile, u32 *matches) {
    float sums[tile.count];
    float *target = table + id * columns;
    tile.load(sums, target);
    for (int start = first; start < count; start += blockDim.x) {
      int n = start + lane;
      u32 mask = __ballot_sync(0xffffffffu, n < count && ids[n] == id);
      __syncthreads();
      if (lane % 32 == 0) matches[warp] = mask;
      __syncthreads();
      for (int w = 0; w < 8; w++) {
        u32 left = matches[w];
        for (int bit = 0; left; bit++, left >>= 1) {
          if (!(left & 1)) continue;
          float v[tile.count];
          tile.load(v, x + (i64)(start + w * 32 + bit) * columns);
#pragma unroll
          for (int i = 0; i < tile.count; i++) sums[i] += v[i];
        }
      }
    }
    tile.store(target, sums);
  };
  i64 start = (i64)blockIdx.y * (256 * tile_elements);
  if (takes_packets<width>(x) && takes_packets<width>(table) && columns % width == 0) {
    add(Tile<tile_elements / width, width>{start, columns - start, lane, 256}, found);
  } else {
    add(Tile<tile_elements, 1>{start, columns - start, lane, 256}, found);
  }
}

/// The row of a team of `lanes` threads.
HOOF_INLINE i64 team_row(int lanes) { return (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes; }

template <class T> HOOF_INLINE void row_dots(const T *a, const T *b, float *out, i64 rows, i64 columns, i32 lanes) {
  constexpr int width = packet_width<T>;
  HOOF_SHARED(float, shared, team_slots);
  i64 row = team_row(lanes);
  if (row >= rows) return;
  int lane = threadIdx.x % lanes;
  float sums[4] = {};
  bool packed = takes_packets<width>(a) && takes_packets<width>(b) && columns % width == 0;
  over_row<width, 8>(columns, packed, lane, lanes, [&](auto tile) {
    float x[tile.count], y[tile.count];
    tile.load(x, a + row * columns);
    tile.load(y, b + row * columns);
#pragma unroll
    for (int i = 0; i < tile.count; i++) sums[i % 4] = fmaf(x[i], y[i], sums[i % 4]);
  });
  float sum = team_sum((sums[0] + sums[1]) + (sums[2] + sums[3]), lanes, shared);
  if (lane == 0) out[row] = sum;
}

HOOF_KERNEL __launch_bounds__(1024) hoof_row_log_sum_exp_f32(const float *x, float *out, i64 rows, i64 columns, i32 lanes) {
  HOOF_SHARED(float, shared, team_slots);
  i64 row = team_row(lanes);
  if (row >= rows) return;
  int lane = threadIdx.x % lanes;
  SoftSum total;
  over_row<4, 16>(columns, takes_packets<4>(x) && columns % 4 == 0, lane, lanes, [&](auto tile) {
    float v[tile.count];
    tile.load(v, x + row * columns, -infinity());
    total.add(v);
  });
  total.join(lanes, shared);
  if (lane == 0) out[row] = (float)total.log_sum();
}
HOOF_EXPORT(hoof_row_log_sum_exp_f32)

/// A number ordered as floats are, NaN above all; both zeros alike.
HOOF_INLINE u32 ordered(float x) {
  u32 bits = __float_as_uint(x + 0.0f);
  if (x != x) return 0xffffffffu;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

HOOF_KERNEL __launch_bounds__(1024) hoof_row_argmax_f32(const float *x, i32 *out, i64 rows, i64 columns, i32 lanes) {
  HOOF_SHARED(u64, shared, 32);
  i64 row = team_row(lanes);
  if (row >= rows) return;
  int lane = threadIdx.x % lanes;
  u32 best = 0, winner = 0;
  over_row<4, 16>(columns, takes_packets<4>(x) && columns % 4 == 0, lane, lanes, [&](auto tile) {
    float v[tile.count];
    tile.load(v, x + row * columns, -infinity());
#pragma unroll
    for (int i = 0; i < tile.count; i++) {
      u32 key = ordered(v[i]);
      // A thread's indices ascend, so the first of equals stays. What lies behind the end loses to an equal inside the row below.
      if (key > best) best = key, winner = (u32)tile.index(i);
    }
  });
  u64 value = (u64)best << 32 | ~winner;
  for (int offset = 16; offset > 0; offset >>= 1) {
    u64 other = __shfl_xor_sync(0xffffffffu, value, offset);
    if (other > value) value = other;
  }
  if (lanes > 32) {
    if (lane % 32 == 0) shared[lane / 32] = value;
    __syncthreads();
    if (lane > 0) return;
    for (int w = 1; w < lanes / 32; w++)
      if (shared[w] > value) value = shared[w];
  }
  if (lane == 0) out[row] = (i32)~(u32)value;
}
HOOF_EXPORT(hoof_row_argmax_f32)

#define ROWS(name, T)                                                                                                              \
  HOOF_KERNEL __launch_bounds__(256, 4) hoof_column_sums_##name(const T *x, float *parts, i64 rows, i64 columns) {                    \
    column_sums(x, parts, rows, columns);                                                                                          \
  }                                                                                                                                \
  HOOF_EXPORT(hoof_column_sums_##name)                                                                                             \
  HOOF_KERNEL __launch_bounds__(256, 2) hoof_activation_statistics_##name(                                                            \
      const T *x, const float *weights, float threshold, float *parts, i64 rows, i64 columns) {                                    \
    activation_statistics(x, weights, threshold, parts, rows, columns);                                                            \
  }                                                                                                                                \
  HOOF_EXPORT(hoof_activation_statistics_##name)                                                                                   \
  HOOF_KERNEL __launch_bounds__(256) hoof_scatter_add_rows_##name(                                                                 \
      const T *x, const i32 *ids, float *table, i32 count, i64 columns, i32 tableRows) {                                           \
    scatter_add_rows(x, ids, table, count, columns, tableRows);                                                                    \
  }                                                                                                                                \
  HOOF_EXPORT(hoof_scatter_add_rows_##name)                                                                                        \
  HOOF_KERNEL __launch_bounds__(1024) hoof_row_dots_##name(const T *a, const T *b, float *out, i64 rows, i64 columns, i32 lanes) { \
    row_dots(a, b, out, rows, columns, lanes);                                                                                     \
  }                                                                                                                                \
  HOOF_EXPORT(hoof_row_dots_##name)
ROWS(f32, float)
ROWS(bf16, bf16)
