// Rotary embedding. A block takes `rowsPerBlock` rows: its threads first put cosine and sine of each of the rows' D/2 angles into shared
// memory, once for all heads, then rotate pairs in packets of up to 16 bytes; x is read and written once. The angle is position·frequency
// rounded to f32, as in the models' own code. It is reduced by multiples of π/2 in three steps of fused multiply-adds, the first of which
// is exact for angles up to 2^24, then polynomials give sine and cosine within 1 ulp of 1: no slow path, no local memory. From f32 to bf16:
// queries and keys, which their projection leaves in f32 so that they are rounded once.
#include "vector.h"

struct Rotation {
  float cosine, sine;
};

/// Minimax polynomials on ±π/4 as in Cephes' sinf and cosf.
HOOF_INLINE Rotation rotation(float angle) {
  float n = rintf(angle * 0.636619772f);
  float r = fmaf(n, -1.57079637e+0f, angle);
  r = fmaf(n, 4.37113883e-8f, r);
  r = fmaf(n, 1.71512489e-15f, r);
  float z = r * r;
  float s = fmaf(fmaf(fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f), z * r, r);
  float c = fmaf(fmaf(fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f), z * z, fmaf(-0.5f, z, 1.0f));
  int quadrant = (int)n & 3;
  float sine = quadrant & 1 ? c : s, cosine = quadrant & 1 ? s : c;
  if (quadrant & 2) sine = -sine;
  if ((quadrant + 1) & 2) cosine = -cosine;
  return {cosine, sine};
}

/// Rotates `pairs` pairs whose parts are next to each other (interleaved) or D/2 apart.
template <bool interleaved, int pairs, class In, class Out>
HOOF_INLINE void rotate(const In *x, Out *out, const Rotation *table, i64 at, int i, int half) {
  float a[pairs], b[pairs];
  if constexpr (interleaved) {
    float v[2 * pairs];
    if constexpr (pairs == 1) {
      v[0] = to_float(x[at + 2 * i]), v[1] = to_float(x[at + 2 * i + 1]);
    } else {
      load_packet<2 * pairs>(v, x + at + 2 * i);
    }
#pragma unroll
    for (int k = 0; k < pairs; k++) a[k] = v[2 * k], b[k] = v[2 * k + 1];
  } else {
    load_packet<pairs>(a, x + at + i);
    load_packet<pairs>(b, x + at + i + half);
  }
#pragma unroll
  for (int k = 0; k < pairs; k++) {
    Rotation turn = table[i + k];
    float first = fmaf(a[k], turn.cosine, -(b[k] * turn.sine));
    b[k] = fmaf(b[k], turn.cosine, a[k] * turn.sine);
    a[k] = first;
  }
  if constexpr (interleaved) {
    float v[2 * pairs];
#pragma unroll
    for (int k = 0; k < pairs; k++) v[2 * k] = a[k], v[2 * k + 1] = b[k];
    if constexpr (pairs == 1) {
      out[at + 2 * i] = from_float<Out>(v[0]), out[at + 2 * i + 1] = from_float<Out>(v[1]);
    } else {
      store_packet<2 * pairs>(out + at + 2 * i, v);
    }
  } else {
    store_packet<pairs>(out + at + i, a);
    store_packet<pairs>(out + at + i + half, b);
  }
}

template <bool interleaved, int pairs, class In, class Out>
HOOF_INLINE void rotate_rows(const In *x, Out *out, const Rotation *table, i64 row, int count, u32 heads, int half) {
  u32 packets = (u32)half / pairs, perRow = heads * packets;
#pragma unroll 2
  for (u32 item = threadIdx.x; item < count * perRow; item += blockDim.x) {
    u32 line = item / perRow, within = item % perRow, head = within / packets;
    int i = (int)(within % packets) * pairs;
    i64 at = ((row + line) * heads + head) * (2 * half);
    rotate<interleaved, pairs>(x, out, table + line * half, at, i, half);
  }
}

template <bool interleaved, class In, class Out>
HOOF_INLINE void rope(
    const In *__restrict__ x, const i32 *__restrict__ positions, const float *__restrict__ frequencies, Out *__restrict__ out, i64 rows,
    i32 heads, i32 headDim, i32 inverse, i32 rowsPerBlock, Rotation *table) {
  int half = headDim / 2;
  i64 row = (i64)blockIdx.x * rowsPerBlock;
  int count = (int)(rows - row < rowsPerBlock ? rows - row : rowsPerBlock);
  for (int i = threadIdx.x; i < count * half; i += blockDim.x) {
    Rotation turn = rotation((float)positions[row + i / half] * frequencies[i % half]);
    table[i] = {turn.cosine, inverse ? -turn.sine : turn.sine};
  }
  __syncthreads();
  constexpr int width = packet_width<In, Out>, pairs = interleaved ? width / 2 : width;
  if (half % pairs == 0 && takes_packets<width>(x) && takes_packets<width>(out)) {
    rotate_rows<interleaved, pairs>(x, out, table, row, count, (u32)heads, half);
  } else {
    rotate_rows<interleaved, 1>(x, out, table, row, count, (u32)heads, half);
  }
}

/// `table` is rowsPerBlock·D/2 pairs of floats of dynamic shared memory.
#define ROPE(name, In, Out, interleaved)                                                                                       \
  HOOF_KERNEL __launch_bounds__(256) hoof_rope_##name(                                                                         \
      const In *x, const i32 *positions, const float *frequencies, Out *out, i64 rows, i32 heads, i32 headDim, i32 inverse,    \
      i32 rowsPerBlock) {                                                                                                      \
    HOOF_DYNAMIC_SHARED(Rotation, table);                                                                                      \
    rope<interleaved>(x, positions, frequencies, out, rows, heads, headDim, inverse, rowsPerBlock, table);                     \
  }                                                                                                                            \
  HOOF_EXPORT(hoof_rope_##name)
ROPE(halves_f32_f32, float, float, false)
ROPE(halves_f32_bf16, float, bf16, false)
ROPE(halves_bf16_bf16, bf16, bf16, false)
ROPE(pairs_f32_f32, float, float, true)
ROPE(pairs_f32_bf16, float, bf16, true)
ROPE(pairs_bf16_bf16, bf16, bf16, true)
