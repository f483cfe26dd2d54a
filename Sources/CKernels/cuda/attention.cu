// Attention forward: soft-max(q·kᵀ·scale + mask)·v over packed sequences with grouped heads, in bf16 on tensor cores for head dims up to
// 32, 64 and 128 (narrower heads are padded with zeros in shared memory); see the headers for mapping, traffic and numbers. The grid's x is
// sequence × key head × tile of 64 rows, y the share of the keys.
#include "attention_forward.h"
#include "attention_merge.h"

/// parts [splits, query_rows, heads·head_dim], part_logs [splits, query_rows, heads] when splits > 1; scale includes log2 e; vector: all of
/// q, k, v, out and the head dim in multiples of 16 bytes.
#define HOOF_ATTENTION_TENSOR(name, dims)                                                                                                  \
  HOOF_KERNEL __launch_bounds__(attention::tensor_threads, 3) name(                                                                        \
      const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, float *log_sum_exp, float *parts, float *part_logs, HOOF_ATTENTION_SPANS,    \
      i32 tiles, i32 splits, i32 query_rows, float scale, i32 vector) {                                                                    \
    attention::forward<dims>(                                                                                                              \
        q, k, v, out, log_sum_exp, parts, part_logs, HOOF_ATTENTION_BATCH, tiles, splits, query_rows, scale, vector != 0);                 \
  }                                                                                                                                        \
  HOOF_EXPORT(name)
HOOF_ATTENTION_TENSOR(hoof_attention_bf16_d32, 32)
HOOF_ATTENTION_TENSOR(hoof_attention_bf16_d64, 64)
HOOF_ATTENTION_TENSOR(hoof_attention_bf16_d128, 128)

/// rows: queries × heads; four rows a block of 128 threads.
HOOF_KERNEL hoof_attention_merge_bf16(
    const float *parts, const float *part_logs, bf16 *out, float *log_sum_exp, i64 rows, i32 head_dim, i32 splits) {
  attention::merge<bf16>(parts, part_logs, out, log_sum_exp, rows, head_dim, splits);
}
HOOF_EXPORT(hoof_attention_merge_bf16)
