// Grouped-query attention over packed sequences, forward and backward, in blocks of keys with an online softmax (arXiv 2205.14135)
#ifndef HOOF_LEVEL
#include "hoof_attention.h"

#include <math.h>

#define KEY_BLOCK 64
#define QUERY_BLOCK 64
// Below this many queries, transposing keys costs more than it saves.
#define FEW_QUERIES 4

#define HOOF_SELF "attention.c"
#include "levels.h"

HOOF_TABLE(forward);
HOOF_TABLE(backward);

size_t hoof_attention_scratch(const struct hoof_attention *call, const struct hoof_attention_job *job) {
  if (job->queries < FEW_QUERIES) return sizeof(float) * call->group * (job->keys + 2);
  return sizeof(float) * (call->head_dim * KEY_BLOCK + TILE_ROWS * KEY_BLOCK + 2 * call->group * hoof_attention_queries);
}

void hoof_attention_forward(
    enum hoof_simd simd, const struct hoof_attention *call, const struct hoof_attention_job *job, float *scratch) {
  forward_table[simd](call, job, scratch);
}

size_t hoof_attention_backward_scratch(const struct hoof_attention *call, const struct hoof_attention_job *job) {
  return sizeof(float) * (2 * call->head_dim * KEY_BLOCK + 2 * QUERY_BLOCK * KEY_BLOCK + call->group * job->queries);
}

void hoof_attention_backward(
    enum hoof_simd simd, const struct hoof_attention *call, const struct hoof_attention_gradients *gradients,
    const struct hoof_attention_job *job, float *scratch) {
  backward_table[simd](call, gradients, job, scratch);
}

#else
#include "dots.h"
#include "tiles.h"

#ifndef HOOF_VISIBLE
#define HOOF_VISIBLE
static inline size_t visible_keys(const struct hoof_attention_job *job, size_t query) {
  ptrdiff_t n = job->visible + (ptrdiff_t)query * job->visible_step;
  return n < 0 ? 0 : (size_t)n > job->keys ? job->keys : (size_t)n;
}
#endif

/// Turns the scores of one row over one block of keys into weights e^(score·scale - max), those past `visible` into 0; updates the running
/// maximum and sum, and returns the factor that brings what was summed under the old maximum under the new one.
LANE float KERNEL(soften_row)(float *scores, size_t visible, size_t width, float scale, float *max, float *sum) {
  vf greatest = vset(-__builtin_inff());
  for (size_t i = 0; i < width; i += W) {
    vf s = vselect(vbelow(visible > i ? visible - i : 0), vload(scores + i) * scale, vset(-__builtin_inff()));
    vstore(scores + i, s);
    greatest = vmax(s, greatest);
  }
  float m = vhmax(greatest);
  m = m > *max ? m : *max;
  float shift = __builtin_isfinite(m) ? m : 0;
  vf total = vset(0);
  for (size_t i = 0; i < width; i += W) {
    vf p = vexp_soft(vload(scores + i) - shift);
    vstore(scores + i, p);
    total += p;
  }
  float factor = *max == m || *sum == 0 ? 1 : expf(*max - shift);
  *sum = *sum * factor + vsum(total);
  *max = m;
  return factor;
}

#undef LANES
#define LANES W
#include "butterfly.h"

/// Σ a·b of one query and W keys, one a lane; past `count` the last key's. Lanes are added up for all keys together: key by key, that would
/// take longer than the products.
LANE vf KERNEL(score_keys)(const float *a, const float *b, size_t stride, const bool whole, size_t count, size_t d) {
  vf sum[W];
#define KEY(j) (b + (whole || (j) < count ? (j) : count - 1) * stride)
  for (size_t j = 0; j < W; j++) sum[j] = vset(0);
  size_t c = 0;
  for (; c + W <= d; c += W) {
    vf x = vload(a + c);
    _Pragma("clang loop unroll(full)") for (size_t j = 0; j < W; j++) sum[j] = vfma(x, vload(KEY(j) + c), sum[j]);
  }
  if (c < d) {
    vf x = vload_n(a + c, d - c, 0);
    for (size_t j = 0; j < W; j++) sum[j] = vfma(x, vload_n(KEY(j) + c, d - c, 0), sum[j]);
  }
#undef KEY
#define ADD_LANES(s) \
  _Pragma("clang loop unroll(full)") for (size_t j = 0; j < W; j += 2 * (s)) { \
    vf x = sum[j], y = sum[j + (s)]; \
    sum[j] = __builtin_shufflevector(x, y, PATTERN(NEAR, s)) + __builtin_shufflevector(x, y, PATTERN(FAR, s)); \
  }
  ADD_LANES(1)
  ADD_LANES(2)
#if W > 4
  ADD_LANES(4)
#endif
#if W > 8
  ADD_LANES(8)
#endif
#undef ADD_LANES
  return sum[0];
}

// One or a few queries against many keys, as in decoding: dot products along the keys as they lie, all heads of the group per key.
LANE void KERNEL(forward_few)(const struct hoof_attention *call, const struct hoof_attention_job *job, float *scratch) {
  size_t d = call->head_dim, group = call->group, keys = job->keys;
  const float *k = call->k + job->key_row * call->key_stride + job->key_head * d;
  const float *v = call->v + job->key_row * call->key_stride + job->key_head * d;
  float *weights = scratch, *sums = scratch + group * keys;
  for (size_t i = 0; i < job->queries; i++) {
    size_t row = job->query_row + i, visible = visible_keys(job, i);
    const float *q = call->q + row * call->query_stride + job->key_head * group * d;
    float *out = call->out + row * call->query_stride + job->key_head * group * d;
    float *lse = call->log_sum_exp + row * call->log_sum_exp_stride + job->key_head * group;
    if (visible == 0) {
      memset(out, 0, group * d * sizeof *out);
      for (size_t h = 0; h < group; h++) lse[h] = -__builtin_inff();
      continue;
    }
    for (size_t key = 0; key < visible; key += W) {
      size_t count = visible - key < W ? visible - key : W;
      for (size_t h = 0; h < group; h++) {
        const float *a = q + h * d, *b = k + key * call->key_stride;
        float *w = weights + h * keys + key;
        if (count == W) vstore(w, KERNEL(score_keys)(a, b, call->key_stride, true, W, d) * call->scale);
        else vstore_n(w, KERNEL(score_keys)(a, b, call->key_stride, false, count, d) * call->scale, count);
      }
    }
    for (size_t h = 0; h < group; h++) {
      float *w = weights + h * keys;
      vf greatest = vset(-__builtin_inff());
      size_t whole = visible / W * W;
      for (size_t key = 0; key < whole; key += W) greatest = vmax(vload(w + key), greatest);
      if (whole < visible) greatest = vmax(vload_n(w + whole, visible - whole, -__builtin_inff()), greatest);
      float max = vhmax(greatest);
      float shift = __builtin_isfinite(max) ? max : 0;
      double sum = 0;
      for (size_t start = 0; start < visible; start += 512) {
        size_t end = visible - start < 512 ? visible : start + 512, key = start;
        vf part = vset(0);
        for (; key + W <= end; key += W) {
          vf p = vexp_soft(vload(w + key) - shift);
          vstore(w + key, p);
          part += p;
        }
        if (key < end) {
          vf p = vexp_soft(vload_n(w + key, end - key, -__builtin_inff()) - shift);
          vstore_n(w + key, p, end - key);
          part += p;
        }
        sum += (double)vsum(part);
      }
      lse[h] = (float)(log(sum) + (double)shift);
      sums[h] = sum == 0 ? 0 : (float)(1 / sum);
    }
    block_product(
        (struct hoof_product){
            .a = weights, .row_stride = keys, .step_stride = 1, .b = v, .b_stride = call->key_stride, .depth = visible, .c = out,
            .c_stride = d, .finish = sums},
        group, d);
  }
}

static void KERNEL(forward)(const struct hoof_attention *call, const struct hoof_attention_job *job, float *scratch) {
  if (job->queries < FEW_QUERIES) {
    KERNEL(forward_few)(call, job, scratch);
    return;
  }
  size_t d = call->head_dim, group = call->group;
  float *packed = scratch, *scores = packed + d * KEY_BLOCK, *maxima = scores + TILE_ROWS * KEY_BLOCK;
  float *sums = maxima + group * hoof_attention_queries;
  for (size_t i = 0; i < group * hoof_attention_queries; i++) {
    maxima[i] = -__builtin_inff();
    sums[i] = 0;
  }
  for (size_t i = 0; i < job->queries; i++) {
    if (visible_keys(job, i) > 0) continue;
    memset(call->out + (job->query_row + i) * call->query_stride + job->key_head * group * d, 0, group * d * sizeof(float));
    for (size_t h = 0; h < group; h++)
      call->log_sum_exp[(job->query_row + i) * call->log_sum_exp_stride + job->key_head * group + h] = -__builtin_inff();
  }

  for (size_t start = 0; start < job->keys; start += KEY_BLOCK) {
    // Visible counts never fall from one query to the next, so the last query sees most.
    size_t most = visible_keys(job, job->queries - 1);
    if (most <= start) break;
    size_t block = most - start < KEY_BLOCK ? most - start : KEY_BLOCK;
    const float *k = call->k + (job->key_row + start) * call->key_stride + job->key_head * d;
    const float *v = call->v + (job->key_row + start) * call->key_stride + job->key_head * d;
    pack_transposed(k, call->key_stride, block, d, packed, KEY_BLOCK);
    for (size_t h = 0; h < group; h++) {
      size_t head = job->key_head * group + h;
      for (size_t first = 0; first < job->queries; first += TILE_ROWS) {
        size_t rows = job->queries - first < TILE_ROWS ? job->queries - first : TILE_ROWS;
        size_t reach = visible_keys(job, first + rows - 1);
        if (reach <= start) continue;
        // Queries that see nothing at all were written above; they come first, and are left out here.
        size_t blind = 0;
        while (visible_keys(job, first + blind) == 0) blind++;
        size_t row = job->query_row + first + blind, at = h * hoof_attention_queries + first + blind, live = rows - blind;
        size_t seen = reach - start < KEY_BLOCK ? reach - start : KEY_BLOCK, width = (seen + W - 1) / W * W;
        struct hoof_product qk = {
            .a = call->q + row * call->query_stride + head * d, .row_stride = call->query_stride, .step_stride = 1, .b = packed,
            .b_stride = KEY_BLOCK, .depth = d, .c = scores, .c_stride = KEY_BLOCK};
        strip_product(&qk, live, width);
        float keep[TILE_ROWS], finish[TILE_ROWS];
        bool last = reach <= start + KEY_BLOCK;
        for (size_t r = 0; r < live; r++) {
          size_t visible = visible_keys(job, first + blind + r);
          keep[r] = KERNEL(soften_row)(
              scores + r * KEY_BLOCK, visible > start ? visible - start : 0, width, call->scale, maxima + at + r, sums + at + r);
          if (!last) continue;
          finish[r] = sums[at + r] == 0 ? 0 : 1 / sums[at + r];
          float max = maxima[at + r];
          call->log_sum_exp[(row + r) * call->log_sum_exp_stride + head] = logf(sums[at + r]) + (__builtin_isfinite(max) ? max : 0);
        }
        struct hoof_product pv = {
            .a = scores, .row_stride = KEY_BLOCK, .step_stride = 1, .b = v, .b_stride = call->key_stride, .depth = seen,
            .c = call->out + row * call->query_stride + head * d, .c_stride = call->query_stride, .keep = start > 0 ? keep : NULL,
            .finish = last ? finish : NULL};
        strip_product(&pv, live, d);
      }
    }
  }
}

// With P = e^(S·scale - logSumExp), δ = Σ dOut·out: dV = Pᵀ·dOut, dP = dOut·Vᵀ, dS = P⊙(dP - δ)·scale, dQ = dS·K, dK = dSᵀ·Q.
static void KERNEL(backward)(
    const struct hoof_attention *call, const struct hoof_attention_gradients *gradients, const struct hoof_attention_job *job,
    float *scratch) {
  size_t d = call->head_dim, group = call->group, qs = call->query_stride, ks = call->key_stride;
  float *packed_k = scratch, *packed_v = packed_k + d * KEY_BLOCK, *weights = packed_v + d * KEY_BLOCK;
  float *slopes = weights + QUERY_BLOCK * KEY_BLOCK, *deltas = slopes + QUERY_BLOCK * KEY_BLOCK;
  float ones[QUERY_BLOCK > KEY_BLOCK ? QUERY_BLOCK : KEY_BLOCK];
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 1;
  for (size_t h = 0; h < group; h++)
    for (size_t i = 0; i < job->queries; i++) {
      size_t at = (job->query_row + i) * qs + (job->key_head * group + h) * d;
      deltas[h * job->queries + i] = (float)row_dot(gradients->d_out + at, call->out + at, d);
    }

  for (size_t start = 0; start < job->keys; start += KEY_BLOCK) {
    size_t block = job->keys - start < KEY_BLOCK ? job->keys - start : KEY_BLOCK;
    size_t key_at = (job->key_row + start) * ks + job->key_head * d;
    pack_transposed(call->k + key_at, ks, block, d, packed_k, KEY_BLOCK);
    pack_transposed(call->v + key_at, ks, block, d, packed_v, KEY_BLOCK);
    for (size_t h = 0; h < group; h++)
      for (size_t first = 0; first < job->queries; first += QUERY_BLOCK) {
        size_t rows = job->queries - first < QUERY_BLOCK ? job->queries - first : QUERY_BLOCK;
        size_t reach = visible_keys(job, first + rows - 1);
        if (reach <= start) continue;
        size_t seen = reach - start < block ? reach - start : block, width = (seen + W - 1) / W * W;
        size_t head = job->key_head * group + h, query_at = (job->query_row + first) * qs + head * d;
        struct hoof_product product = {
            .a = call->q + query_at, .row_stride = qs, .step_stride = 1, .b = packed_k, .b_stride = KEY_BLOCK, .depth = d, .c = weights,
            .c_stride = KEY_BLOCK};
        block_product(product, rows, width);
        product.a = gradients->d_out + query_at;
        product.b = packed_v;
        product.c = slopes;
        block_product(product, rows, width);
        for (size_t r = 0; r < rows; r++) {
          size_t visible = visible_keys(job, first + r);
          vf shift = vset(call->log_sum_exp[(job->query_row + first + r) * call->log_sum_exp_stride + head]);
          vf delta = vset(deltas[h * job->queries + first + r]);
          for (size_t i = 0; i < width; i += W) {
            float *w = weights + r * KEY_BLOCK + i, *s = slopes + r * KEY_BLOCK + i;
            vu seen_here = vbelow(visible > start + i ? visible - start - i : 0);
            vf p = vselect(seen_here, vexp_soft(vload(w) * call->scale - shift), vset(0));
            vstore(w, p);
            vstore(s, vselect(seen_here, p * (vload(s) - delta) * call->scale, vset(0)));
          }
        }
        struct hoof_product down = {
            .a = weights, .row_stride = 1, .step_stride = KEY_BLOCK, .b = gradients->d_out + query_at, .b_stride = qs, .depth = rows,
            .c = gradients->dv + key_at, .c_stride = ks, .keep = ones};
        block_product(down, seen, d);
        down.a = slopes;
        down.b = call->q + query_at;
        down.c = gradients->dk + key_at;
        block_product(down, seen, d);
        struct hoof_product across = {
            .a = slopes, .row_stride = KEY_BLOCK, .step_stride = 1, .b = call->k + key_at, .b_stride = ks, .depth = seen,
            .c = gradients->dq + query_at, .c_stride = qs, .keep = ones};
        block_product(across, rows, d);
      }
  }
}
#endif
