// swiGLU and maskGroups, forward and backward. swiGLU and masks run over one long row of elements, 16 a thread in 16-byte packets. The
// gradient of a mask of its own in each row is the dot product of a row's group, by up to 32 lanes; that of a mask shared by all rows is
// summed down the rows column by column (columns.h) while dx is written, so that each element is read once; a second kernel adds up the
// parts and the columns of each group in double. silu's sigmoid is taken from e^-|g|: nothing overflows, and -inf gives 0.
#include "columns.h"
#include "reduce.h"

constexpr float largest = 3.402823466e38f;

/// e^-|g| for the gate: two instructions suffice for bf16 (error 2^-20), f32 takes the exact one.
HOOF_INLINE float gate_exp(float x, float) { return expf(x); }
HOOF_INLINE float gate_exp(float x, bf16) { return exp2_approximate(x * 1.44269504f); }

template <class T> HOOF_INLINE void swiglu(const T *gate, const T *up, T *out, i64 count) {
  constexpr int width = packet_width<T>;
  bool packed = takes_packets<width>(gate) && takes_packets<width>(up) && takes_packets<width>(out);
  over_elements<width>(count, packed, [=](auto tile) {
    float g[tile.count], u[tile.count];
    tile.load(g, gate);
    tile.load(u, up);
#pragma unroll
    for (int i = 0; i < tile.count; i++) {
      // -inf would meet a sigmoid of 0; silu's limit there is 0, as it is for the lowest finite number. A NaN is kept.
      float x = g[i] < -largest ? -largest : g[i], e = gate_exp(-fabsf(x), T{});
      u[i] *= __fdividef(x < 0 ? x * e : x, 1.0f + e);
    }
    tile.store(out, u);
  });
}

/// With s = σ(g): dUp = dOut·g·s, dGate = dOut·up·s·(1 + g·(1 - s)); 1 - s is taken as σ(-g), which keeps its digits.
template <class T> HOOF_INLINE void swiglu_backward(const T *dOut, const T *gate, const T *up, T *dGate, T *dUp, i64 count) {
  constexpr int width = packet_width<T>;
  bool packed = takes_packets<width>(dOut) && takes_packets<width>(gate) && takes_packets<width>(up) && takes_packets<width>(dGate) &&
                takes_packets<width>(dUp);
  over_elements<width>(count, packed, [=](auto tile) {
    float d[tile.count], g[tile.count], u[tile.count];
    tile.load(d, dOut);
    tile.load(g, gate);
    tile.load(u, up);
#pragma unroll
    for (int i = 0; i < tile.count; i++) {
      float x = g[i] < -largest ? -largest : g[i] > largest ? largest : g[i];
      float e = gate_exp(-fabsf(x), T{}), inverse = __fdividef(1.0f, 1.0f + e);
      float s = (x < 0 ? e : 1.0f) * inverse, rest = (x < 0 ? 1.0f : e) * inverse;
      float toGate = d[i] * u[i] * (s * fmaf(x, rest, 1.0f));
      u[i] = d[i] * (x * s);
      d[i] = toGate;
    }
    tile.store(dGate, d);
    tile.store(dUp, u);
  });
}

/// Elements e with mask[e / width], or mask[e / width % groups] if all rows share one of `groups` values (0: they do not).
template <class T> HOOF_INLINE void mask_groups(const T *x, const float *mask, T *out, i64 count, u32 groupWidth, u32 groups) {
  constexpr int width = packet_width<T>;
  bool packed = takes_packets<width>(x) && takes_packets<width>(out) && groupWidth % width == 0;
  over_elements<width>(count, packed, [=](auto tile) {
    float v[tile.count];
    tile.load(v, x);
    u64 group = (u64)tile.start / groupWidth;
    u32 within = (u32)((u64)tile.start % groupWidth);
    if (groups) group %= groups;
#pragma unroll
    for (int s = 0; s < tile.steps; s++) {
      if (!tile.has(s)) continue;
      u64 at = group + (within + (u32)tile.position(s)) / groupWidth;
      float factor = mask[groups ? (u32)at % groups : at];
#pragma unroll
      for (int k = 0; k < tile.width; k++) v[s * tile.width + k] *= factor;
    }
    tile.store(out, v);
  });
}

/// One mask value for each run of `groupWidth` elements: a team of `lanes` (at most 32) has a run.
template <class T>
HOOF_INLINE void mask_groups_backward(
    const T *__restrict__ dOut, const T *__restrict__ x, const float *__restrict__ mask, T *__restrict__ dx, float *__restrict__ dMask,
    i64 runs, i64 groupWidth, i32 lanes) {
  constexpr int width = packet_width<T>;
  int lane = threadIdx.x % lanes;
  i64 run = (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  float sum = 0;
  if (run < runs) {
    float factor = mask[run];
    bool packed = takes_packets<width>(dOut) && takes_packets<width>(x) && takes_packets<width>(dx) && groupWidth % width == 0;
    auto add = [&](auto tile) {
      constexpr int count = decltype(tile)::count;
      float d[count], v[count];
      tile.load(d, dOut + run * groupWidth);
      tile.load(v, x + run * groupWidth);
#pragma unroll
      for (int i = 0; i < count; i++) sum = fmaf(d[i], v[i], sum), d[i] *= factor;
      tile.store(dx + run * groupWidth, d);
    };
    if (packed) {
      for (i64 at = 0; at < groupWidth; at += lanes * width) add(Tile<1, width>{at, groupWidth - at, lane, lanes});
    } else {
      for (i64 at = 0; at < groupWidth; at += lanes) add(Tile<1, 1>{at, groupWidth - at, lane, lanes});
    }
  }
  sum = team_sum(sum, lanes, nullptr);
  if (run < runs && lane == 0) dMask[run] += sum;
}

/// All rows share the mask: writes dx and parts [gridDim.y, C] of Σ dOut ⊙ x.
template <class T>
HOOF_INLINE void mask_groups_backward_shared(
    const T *__restrict__ dOut, const T *__restrict__ x, const float *__restrict__ mask, T *__restrict__ dx, float *__restrict__ parts,
    i64 rows, i64 columns, u32 groupWidth) {
  constexpr int width = packet_width<T>;
  HOOF_SHARED(float, shared, column_slots);
  float *slots = shared;
  bool packed = takes_packets<width>(dOut) && takes_packets<width>(x) && takes_packets<width>(dx) && columns % width == 0;
  over_columns<width>(columns, packed, [=](auto tile) {
    constexpr int count = decltype(tile)::count;
    float sums[count] = {}, factors[count];
#pragma unroll
    for (int i = 0; i < count; i++) factors[i] = tile.index(i) < columns ? mask[(u32)tile.index(i) / groupWidth] : 0.0f;
    over_part(rows, [&](i64 row) {
      float d[count], v[count];
      tile.load(d, dOut + row * columns);
      tile.load(v, x + row * columns);
#pragma unroll
      for (int i = 0; i < count; i++) sums[i] = fmaf(d[i], v[i], sums[i]), d[i] *= factors[i];
      tile.store(dx + row * columns, d);
    });
    join_groups(tile, sums, parts + blockIdx.y * columns, slots, [](float a, float b) { return a + b; });
  });
}

/// dMask[g] += Σ over the parts and the group's columns; a warp a group.
HOOF_KERNEL __launch_bounds__(256) hoof_merge_groups(const float *parts, i32 count, i64 columns, u32 groupWidth, float *dMask, i32 groups) {
  i32 group = (i32)(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32);
  if (group >= groups) return;
  double sum = 0;
  for (u32 i = threadIdx.x % 32; i < (u32)count * groupWidth; i += 32)
    sum += (double)parts[(i64)(i / groupWidth) * columns + (i64)group * groupWidth + i % groupWidth];
  for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
  if (threadIdx.x % 32 == 0) dMask[group] = (float)((double)dMask[group] + sum);
}
HOOF_EXPORT(hoof_merge_groups)

#define GATE(name, T)                                                                                                                \
  HOOF_KERNEL __launch_bounds__(256) hoof_swiglu_##name(const T *gate, const T *up, T *out, i64 count) { swiglu(gate, up, out, count); } \
  HOOF_EXPORT(hoof_swiglu_##name)                                                                                                    \
  HOOF_KERNEL __launch_bounds__(256, 3) hoof_swiglu_backward_##name(                                                                    \
      const T *dOut, const T *gate, const T *up, T *dGate, T *dUp, i64 count) {                                                      \
    swiglu_backward(dOut, gate, up, dGate, dUp, count);                                                                              \
  }                                                                                                                                  \
  HOOF_EXPORT(hoof_swiglu_backward_##name)                                                                                           \
  HOOF_KERNEL __launch_bounds__(256) hoof_mask_groups_##name(                                                                        \
      const T *x, const float *mask, T *out, i64 count, u32 groupWidth, u32 groups) {                                                \
    mask_groups(x, mask, out, count, groupWidth, groups);                                                                            \
  }                                                                                                                                  \
  HOOF_EXPORT(hoof_mask_groups_##name)                                                                                               \
  HOOF_KERNEL __launch_bounds__(256) hoof_mask_groups_backward_##name(                                                               \
      const T *dOut, const T *x, const float *mask, T *dx, float *dMask, i64 runs, i64 groupWidth, i32 lanes) {                      \
    mask_groups_backward(dOut, x, mask, dx, dMask, runs, groupWidth, lanes);                                                         \
  }                                                                                                                                  \
  HOOF_EXPORT(hoof_mask_groups_backward_##name)                                                                                      \
  HOOF_KERNEL __launch_bounds__(256, 3) hoof_mask_groups_backward_shared_##name(                                                        \
      const T *dOut, const T *x, const float *mask, T *dx, float *parts, i64 rows, i64 columns, u32 groupWidth) {                    \
    mask_groups_backward_shared(dOut, x, mask, dx, parts, rows, columns, groupWidth);                                                \
  }                                                                                                                                  \
  HOOF_EXPORT(hoof_mask_groups_backward_shared_##name)
GATE(f32, float)
GATE(bf16, bf16)
