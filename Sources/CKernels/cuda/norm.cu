// rmsNorm and its backward. A team of threads (a warp, or the whole block where rows are long) has a row: its first 16·lanes columns stay
// in registers between the sum and the result, so that memory is read once. What a row has beyond them, and all of it where pointers do not
// allow 16-byte packets, is read again, mostly from the cache. x is f32, out and dOut may be bf16. Backward: a team takes several rows one
// after the other and keeps its columns' share of dWeight in registers, then writes it to its own line of scratch memory; hoof_merge_parts
// (rows.cu) adds the lines in order.
#include "reduce.h"
#include "vector.h"

/// Columns in registers: four packets a thread.
using Held = Tile<4, 4>;

template <class T>
HOOF_INLINE void rms_norm(
    const float *__restrict__ x, const float *__restrict__ weight, float epsilon, T *__restrict__ out, float *__restrict__ inverseRMS,
    i64 rows, i64 columns, i32 lanes) {
  HOOF_SHARED(float, shared, team_slots);
  i64 row = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  if (row >= rows) return;
  int lane = threadIdx.x % lanes;
  x += row * columns, out += row * columns;
  bool packed = takes_packets<4>(x) && takes_packets<4>(weight) && takes_packets<4>(out) && columns % 4 == 0;
  Held tile{0, packed ? columns : 0, lane, lanes};
  i64 rest = (packed ? lanes * Held::count : 0) + lane;

  float v[Held::count], sums[4] = {};
  tile.load(v, x);
#pragma unroll
  for (int i = 0; i < Held::count; i++) sums[i % 4] = fmaf(v[i], v[i], sums[i % 4]);
#pragma unroll 4
  for (i64 at = rest; at < columns; at += lanes) sums[0] = fmaf(x[at], x[at], sums[0]);
  float square = team_sum((sums[0] + sums[1]) + (sums[2] + sums[3]), lanes, shared);
  float r = 1.0f / sqrtf(square / (float)columns + epsilon);
  if (lane == 0) inverseRMS[row] = r;

  float w[Held::count];
  tile.load(w, weight);
#pragma unroll
  for (int i = 0; i < Held::count; i++) v[i] = v[i] * r * w[i];
  tile.store(out, v);
#pragma unroll 4
  for (i64 at = rest; at < columns; at += lanes) out[at] = from_float<T>(x[at] * r * weight[at]);
}

/// With r = inverseRMS and g = dOut ⊙ weight: dx = r·(g - x·r²·mean(g ⊙ x)), dWeight = Σ dOut ⊙ x·r; parts [teams, C] or null are dWeight
/// over each team's `rowsPerTeam` rows.
template <class T>
HOOF_INLINE void rms_norm_backward(
    const T *__restrict__ dOut, const float *__restrict__ x, const float *__restrict__ weight, const float *__restrict__ inverseRMS,
    float *__restrict__ dx, float *__restrict__ parts, i64 rows, i64 columns, i32 rowsPerTeam, i32 lanes) {
  HOOF_SHARED(float, shared, team_slots);
  i64 team = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes, begin = team * rowsPerTeam;
  if (begin >= rows) return;
  i64 end = begin + rowsPerTeam < rows ? begin + rowsPerTeam : rows;
  int lane = threadIdx.x % lanes;
  float *part = parts ? parts + team * columns : nullptr;
  bool packed = takes_packets<4>(x) && takes_packets<4>(weight) && takes_packets<4>(dOut) && takes_packets<4>(dx) && columns % 4 == 0;
  Held tile{0, packed ? columns : 0, lane, lanes};
  i64 rest = (packed ? lanes * Held::count : 0) + lane;

  float dWeight[Held::count] = {}, w[Held::count];
  tile.load(w, weight);
  for (i64 row = begin; row < end; row++) {
    const T *d = dOut + row * columns;
    const float *v = x + row * columns;
    float g[Held::count], a[Held::count], sums[4] = {}, r = inverseRMS[row];
    tile.load(g, d);
    tile.load(a, v);
#pragma unroll
    for (int i = 0; i < Held::count; i++) {
      dWeight[i] = fmaf(g[i], a[i] * r, dWeight[i]);
      g[i] *= w[i];
      sums[i % 4] = fmaf(g[i], a[i], sums[i % 4]);
    }
#pragma unroll 2
    for (i64 at = rest; at < columns; at += lanes) {
      float slope = to_float(d[at]);
      sums[0] = fmaf(slope * weight[at], v[at], sums[0]);
      // These columns' sums have no register: the team's line of scratch memory takes them row by row.
      if (part) part[at] = (row == begin ? 0.0f : part[at]) + slope * (v[at] * r);
    }
    float mean = team_sum((sums[0] + sums[1]) + (sums[2] + sums[3]), lanes, shared) / (float)columns;
    float factor = r * r * mean;
#pragma unroll
    for (int i = 0; i < Held::count; i++) g[i] = r * fmaf(-a[i], factor, g[i]);
    tile.store(dx + row * columns, g);
#pragma unroll 2
    for (i64 at = rest; at < columns; at += lanes)
      dx[row * columns + at] = r * fmaf(-v[at], factor, to_float(d[at]) * weight[at]);
  }
  if (part) tile.store(part, dWeight);
}

#define NORM(name, T)                                                                                                                 \
  HOOF_KERNEL __launch_bounds__(512, 2) hoof_rms_norm_##name(                                                                           \
      const float *x, const float *weight, float epsilon, T *out, float *inverseRMS, i64 rows, i64 columns, i32 lanes) {              \
    rms_norm(x, weight, epsilon, out, inverseRMS, rows, columns, lanes);                                                              \
  }                                                                                                                                   \
  HOOF_EXPORT(hoof_rms_norm_##name)                                                                                                   \
  HOOF_KERNEL __launch_bounds__(512) hoof_rms_norm_backward_##name(                                                                   \
      const T *dOut, const float *x, const float *weight, const float *inverseRMS, float *dx, float *parts, i64 rows, i64 columns,    \
      i32 rowsPerTeam, i32 lanes) {                                                                                                   \
    rms_norm_backward(dOut, x, weight, inverseRMS, dx, parts, rows, columns, rowsPerTeam, lanes);                                     \
  }                                                                                                                                   \
  HOOF_EXPORT(hoof_rms_norm_backward_##name)
NORM(f32, float)
NORM(bf16, bf16)
