// What both versions of the fused LM head + KL share (divergence.cu on mma.sync, divergence_sm90a.cu on wgmma): how a tile of changed
// logits that is still in registers becomes parts of three results per row, KL(reference ‖ changed), -ln p_changed(target) and the arg-max,
// and the small kernel that merges the parts of a row.
//
// With z_p the reference's logits, z_q the changed ones, x = z_p - z_q and c any constant near the row's x (the centre; x of the likeliest
// column):
//   e = Σ p·(x - c),  k = Σ p·φ(x - c),  φ(y) = exp(-y) - 1 + y,  KL = Σ p·x + ln(Z_q/Z_p) = e + log1p(k - e)
// because exp(-y) - 1 = φ(y) - y. φ is quadratic in small y and computed without cancellation, so a KL of 1e-8 keeps its leading digits
// where ln p - ln q would lose all of them. Large divergences (k not below 1/2) take e + c + ln Z_q - ln Z_p directly, which cannot
// overflow.
//
// A part covers one row and the columns of one quad of lanes. All maxima and exponentials are in powers of two with the float log2e below;
// merging divides by the same float. Sums within a part are f32 in a fixed order, merging is f64 in a fixed order: results are
// deterministic.
#pragma once
#include "device.h"

static constexpr float log2_e = 1.44269502f;

/// Σ over some columns of one row: p_sum of w = exp(z_p - p_max), q_sum of exp(z_q - q_max), first of w·(x - centre), second of
/// w·φ(x - centre). winner is the first column holding q_max; NaN counts as larger than any number.
struct alignas(16) DivergencePart {
  float p_max, p_sum, q_max, q_sum;
  float centre, first, second;
  i32 winner;
};
static_assert(sizeof(DivergencePart) == 32, "two vectors of 16 bytes");

/// Which rows a launch covers: row i of `rows` is tensor row (i / span)·period + i % span, compared with reference row i % span %
/// references. Pointers to tensors and reference start at the launch's first row. parts: DivergencePart of row i stand at i·parts ... +
/// parts - 1.
struct DivergenceShape {
  i32 rows, span, period, references, columns, parts;
};

/// The rows of one tile of 128: the first among the launch's rows, how many are left in its span, where they are in hidden and in the span.
/// Tiles of rows never reach over the end of a span.
struct DivergenceRows {
  int first, left, hidden_row, in_span;

  static HOOF_INLINE int tiles(const DivergenceShape &shape) { return shape.rows / shape.span * ((shape.span + 127) / 128); }

  HOOF_INLINE DivergenceRows(const DivergenceShape &shape, int row_tile) {
    const int in_variant = (shape.span + 127) / 128, variant = row_tile / in_variant;
    in_span = (row_tile - variant * in_variant) * 128;
    first = variant * shape.span + in_span;
    left = shape.span - in_span;
    hidden_row = variant * shape.period + in_span;
  }
};

/// A maximum in powers of two; sums over nothing but -inf stay 0 and not NaN.
HOOF_INLINE float scaled_maximum(float maximum) { return maximum == -infinity() ? 0.0f : maximum * log2_e; }

/// φ(y)/y² for |y| < 1/4, to 4e-7.
HOOF_INLINE float curvature(float y) {
  return fmaf(y, fmaf(y, fmaf(y, fmaf(y, 1.0f / 720, -1.0f / 120), 1.0f / 24), -1.0f / 6), 0.5f);
}

/// The running sums of one lane.
struct DivergenceSums {
  float p = 0, q = 0, first = 0, second = 0;

  /// Adds a column. p_scaled and q_scaled are scaled maxima, ratio = exp(q_max - p_max + centre).
  HOOF_INLINE void add(float z_p, float z_q, float p_scaled, float q_scaled, float centre, float ratio) {
    float w = exp2_approximate(fmaf(z_p, log2_e, -p_scaled)), v = exp2_approximate(fmaf(z_q, log2_e, -q_scaled));
    // A column the reference rules out (z_p = -inf) adds nothing to `first`: w is 0 and the clamp keeps 0·inf away.
    float x = fmaxf(z_p - z_q, -1e30f) - centre;
    float wx = w * x;
    float near = wx * x * curvature(x);
    float far = fmaf(v, ratio, wx - w);  // w·exp(-x) is v·ratio
    p += w;
    q += v;
    first += wx;
    second += fabsf(x) < 0.25f ? near : far;
  }
};

HOOF_INLINE float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
HOOF_INLINE float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
HOOF_INLINE i32 quad_min(i32 x) {
  i32 other = __shfl_xor_sync(0xffffffffu, x, 1);
  x = other < x ? other : x;
  other = __shfl_xor_sync(0xffffffffu, x, 2);
  return other < x ? other : x;
}

/// The part of one row of a tile of 8·blocks columns, the same in all four lanes of the quad; called by whole warps. Accumulators as
/// mma.sync and wgmma leave them: lane t of the quad holds columns 8·j + 2·t + {0, 1} of row g in d[4·j + {0, 1}], of row g + 8 in d[4·j +
/// {2, 3}]; `half` picks the row. `reference` is z_p of the tile's first column (always readable up to `left` columns), `column` that
/// column's number; `left` how many columns there are from it on. `paired`: reference is 8-byte aligned. `target` is the row's target
/// column, and *target_logit gets its logit if it lies in this tile (null: not wanted).
template <int blocks, int half>
HOOF_INLINE DivergencePart divergence_part(
    float (&d)[4 * blocks], const float *reference, int column, int left, bool paired, int target, float *target_logit) {
  constexpr int none = 0x7fffffff;
  const int lane = threadIdx.x & 31, own = 2 * (lane & 3);
  float p[2 * blocks];
  if (left >= 8 * blocks) {
    if (paired) {
#pragma unroll
      for (int j = 0; j < blocks; j++) {
        float2 pair = *reinterpret_cast<const float2 *>(reference + 8 * j + own);
        p[2 * j] = pair.x;
        p[2 * j + 1] = pair.y;
      }
    } else {
#pragma unroll
      for (int i = 0; i < 2 * blocks; i++) p[i] = reference[8 * (i / 2) + own + i % 2];
    }
  } else {
    // The vocabulary's edge: columns behind it count as ruled out by both.
#pragma unroll
    for (int i = 0; i < 2 * blocks; i++) {
      bool inside = 8 * (i / 2) + own + i % 2 < left;
      p[i] = inside ? reference[8 * (i / 2) + own + i % 2] : -infinity();
      d[4 * (i / 2) + 2 * half + i % 2] = inside ? d[4 * (i / 2) + 2 * half + i % 2] : -infinity();
    }
  }

  DivergencePart part;
  part.p_max = part.q_max = -infinity();
#pragma unroll
  for (int i = 0; i < 2 * blocks; i++) {
    part.p_max = fmaxf(part.p_max, p[i]);
    part.q_max = fmaxf(part.q_max, d[4 * (i / 2) + 2 * half + i % 2]);
  }
  // The centre is x where the reference's maximum is. In a row with one likely column nearly all of Σ p·x is that column's, and the part of
  // interest is what is left of it; so the centre takes it away exactly. Among equal maxima the smallest x.
  float lane_max = part.p_max, there = lane_max;
#pragma unroll
  for (int i = 0; i < 2 * blocks; i++) {
    if (p[i] == lane_max) there = d[4 * (i / 2) + 2 * half + i % 2];
  }
  float centre = lane_max - there;
  part.p_max = quad_max(lane_max);
  part.q_max = quad_max(part.q_max);
  centre = -quad_max(lane_max == part.p_max ? -centre : -infinity());
  part.centre = fabsf(centre) < 1e30f ? centre : 0.0f;

  float p_scaled = scaled_maximum(part.p_max), q_scaled = scaled_maximum(part.q_max);
  float ratio = exp2_approximate(fmaf(part.centre, log2_e, q_scaled - p_scaled));
  DivergenceSums sums;
  i32 winner = none;
#pragma unroll
  for (int i = 2 * blocks - 1; i >= 0; i--) {
    float z_q = d[4 * (i / 2) + 2 * half + i % 2];
    sums.add(p[i], z_q, p_scaled, q_scaled, part.centre, ratio);
    if (z_q == part.q_max) winner = column + 8 * (i / 2) + own + i % 2;
  }
  part.p_sum = quad_sum(sums.p);
  part.q_sum = quad_sum(sums.q);
  part.first = quad_sum(sums.first);
  part.second = quad_sum(sums.second);
  part.winner = quad_min(winner);

  if (__any_sync(0xffffffffu, part.q_sum != part.q_sum)) {
    winner = none;
#pragma unroll
    for (int i = 2 * blocks - 1; i >= 0; i--) {
      float z_q = d[4 * (i / 2) + 2 * half + i % 2];
      if (z_q != z_q) winner = column + 8 * (i / 2) + own + i % 2;
    }
    winner = quad_min(winner);
    if (winner != none) {
      part.winner = winner;
      part.q_max = __uint_as_float(0x7fc00000u);
    }
  }
  if (target_logit && target >= column && target < column + 8 * blocks) {
#pragma unroll
    for (int i = 0; i < 2 * blocks; i++) {
      if (column + 8 * (i / 2) + own + i % 2 == target) *target_logit = d[4 * (i / 2) + 2 * half + i % 2];
    }
  }
  return part;
}

HOOF_INLINE void store_part(DivergencePart *out, const DivergencePart &part) {
  reinterpret_cast<float4 *>(out)[0] = float4{part.p_max, part.p_sum, part.q_max, part.q_sum};
  reinterpret_cast<float4 *>(out)[1] = float4{part.centre, part.first, part.second, __uint_as_float((u32)part.winner)};
}

/// What row `local` of a tile says about 8·blocks columns from `column` on: one part of the row. Rows behind the span's end repeat its last
/// one and leave nothing. Called by whole warps; fragments are d of divergence_part, or [blocks][4].
template <int blocks, int half, class Fragments>
HOOF_INLINE void finish_row(
    Fragments &fragments, const DivergenceRows &rows, int local, const float *reference, const i32 *targets, DivergencePart *parts,
    float *target_logits, int column, int index, bool paired, const DivergenceShape &shape) {
  static_assert(sizeof(Fragments) == sizeof(float) * 4 * blocks, "accumulators of the tile's row");
  float(&d)[4 * blocks] = reinterpret_cast<float(&)[4 * blocks]>(fragments);
  const bool inside = local < rows.left;
  const int row = inside ? local : rows.left - 1, reference_row = (rows.in_span + row) % shape.references;
  DivergencePart part = divergence_part<blocks, half>(
      d, reference + (u64)reference_row * shape.columns + column, column, shape.columns - column, paired, targets[reference_row],
      inside ? target_logits + rows.first + row : nullptr);
  if (inside && (threadIdx.x & 3) == 0) store_part(parts + (u64)(rows.first + row) * shape.parts + index, part);
}

HOOF_INLINE double warp_sum_f64(double x) {
  for (int offset = 16; offset > 0; offset >>= 1) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

/// One warp a row, lanes across its parts, twice: the maxima and the winner, then the sums relative to them. A negative target gives loss
/// 0.
HOOF_INLINE void merge_divergence(
    const DivergencePart *parts, const float *target_logits, const i32 *targets, float *divergences, float *losses, i32 *winners,
    DivergenceShape shape) {
  const int row = (int)(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32), lane = threadIdx.x & 31;
  if (row >= shape.rows) return;
  const DivergencePart *mine = parts + (u64)row * shape.parts;
  // The row's centre is that of the part with the largest reference logit, for the same reason as within a part.
  float p_max = -infinity(), q_max = -infinity(), centre = 0;
  // Among NaN the first column; else the first column of the largest value. Parts of a lane come in order of columns.
  float best = -infinity();
  i32 winner = 0x7fffffff;
  for (int i = lane; i < shape.parts; i += 32) {
    if (mine[i].p_max > p_max) {
      p_max = mine[i].p_max;
      centre = mine[i].centre;
    }
    q_max = fmaxf(q_max, mine[i].q_max);
    if (winner == 0x7fffffff || mine[i].q_max > best || (mine[i].q_max != mine[i].q_max && best == best)) {
      best = mine[i].q_max;
      winner = mine[i].winner;
    }
  }
  for (int offset = 16; offset > 0; offset >>= 1) {
    float other = __shfl_xor_sync(0xffffffffu, best, offset);
    i32 where = __shfl_xor_sync(0xffffffffu, winner, offset);
    bool same = other == best || (other != other && best != best);
    if (same ? where < winner : (where != 0x7fffffff && (other > best || other != other))) {
      best = other;
      winner = where;
    }
  }
  const float lane_max = p_max;
  p_max = warp_max(p_max);
  q_max = warp_max(q_max);
  centre = -warp_max(lane_max == p_max ? -centre : -infinity());
  if (!(fabsf(centre) < 1e30f)) centre = 0;

  const float p_scaled = scaled_maximum(p_max), q_scaled = scaled_maximum(q_max);
  double p = 0, q = 0, first = 0, second = 0;
  for (int i = lane; i < shape.parts; i += 32) {
    DivergencePart part = mine[i];
    double p_factor = exp2((double)scaled_maximum(part.p_max) - p_scaled), q_factor = exp2((double)scaled_maximum(part.q_max) - q_scaled);
    // From the part's centre to the row's: x - centre = (x - part.centre) + shift.
    float shift = part.centre - centre;
    float decay = -expm1f(-shift);
    float bend = fabsf(shift) < 0.25f ? shift * shift * curvature(shift) : shift - decay;
    p += p_factor * part.p_sum;
    q += q_factor * part.q_sum;
    first += p_factor * ((double)part.first + (double)shift * part.p_sum);
    second += p_factor * ((double)bend * part.p_sum + (double)decay * part.first + (double)(1 - decay) * part.second);
  }
  p = warp_sum_f64(p);
  q = warp_sum_f64(q);
  first = warp_sum_f64(first) / p;
  second = warp_sum_f64(second) / p;
  if (lane != 0) return;

  const double to_nats = 1 / (double)log2_e;
  double log_p = to_nats * ((double)p_scaled + log2(p)), log_q = to_nats * ((double)q_scaled + log2(q));
  bool small = second < 0.5 && q == q;
  int in_span = row % shape.span;
  i64 out = (i64)(row / shape.span) * shape.period + in_span;
  divergences[out] = (float)(small ? first + log1p(second - first) : first + (double)centre + log_q - log_p);
  losses[out] = targets[in_span % shape.references] < 0 ? 0.0f : (float)(log_q - (double)target_logits[row]);
  winners[out] = winner;
}
