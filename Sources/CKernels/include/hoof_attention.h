#ifndef HOOF_ATTENTION_H
#define HOOF_ATTENTION_H

#include <stddef.h>

#include "hoof_cpu.h"

/// What all jobs of one call share: packed rows, `query_stride` and `key_stride` floats apart; each key head serves `group` query heads.
struct hoof_attention {
  const float *q, *k, *v;
  float *out, *log_sum_exp;
  size_t query_stride, key_stride, log_sum_exp_stride, head_dim, group;
  float scale;
};

/// What the backward needs besides.
struct hoof_attention_gradients {
  const float *d_out;
  float *dq, *dk, *dv;
};

/// One key head of (a part of) one sequence. Query i of the job sees the first `visible + i·visible_step` keys, cut to 0 ... keys.
struct hoof_attention_job {
  size_t query_row, queries, key_row, keys, key_head;
  ptrdiff_t visible, visible_step;
};

/// Most queries a forward job may have.
enum { hoof_attention_queries = 96 };

size_t hoof_attention_scratch(const struct hoof_attention *call, const struct hoof_attention_job *job);
/// Writes out and log_sum_exp of the job's queries.
void hoof_attention_forward(
    enum hoof_simd simd, const struct hoof_attention *call, const struct hoof_attention_job *job, float *scratch);

size_t hoof_attention_backward_scratch(const struct hoof_attention *call, const struct hoof_attention_job *job);
/// Adds to dq, dk, dv.
void hoof_attention_backward(
    enum hoof_simd simd, const struct hoof_attention *call, const struct hoof_attention_gradients *gradients,
    const struct hoof_attention_job *job, float *scratch);

#endif
