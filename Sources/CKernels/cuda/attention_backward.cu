// Attention backward in bf16 on tensor cores, head dims up to 32, 64 and 128, after a pass for the rows' statistics; see the headers.
#include "attention_backward.h"
using attention::RowStatistics;

/// rows: queries × heads; four rows a block of 128 threads.
HOOF_KERNEL hoof_attention_statistics_bf16(
    const bf16 *d_out, const bf16 *out, const float *log_sum_exp, RowStatistics *statistics, bf16 *dq, const i32 *query_starts, i32 count,
    i64 rows, i32 heads, i32 head_dim) {
  attention::row_statistics<bf16>(d_out, out, log_sum_exp, statistics, dq, query_starts, count, rows, heads, head_dim);
}
HOOF_EXPORT(hoof_attention_statistics_bf16)

/// Grid: sequence × key head × tile of 64 rows. scale2 = scale·log2 e; vector: all tensors and the head dim in multiples of 16 bytes.
#define HOOF_ATTENTION_QUERIES(name, dims)                                                                                                 \
  HOOF_KERNEL __launch_bounds__(attention::tensor_threads, 3) name(                                                                        \
      const bf16 *d_out, const bf16 *q, const bf16 *k, const bf16 *v, const RowStatistics *statistics, bf16 *dq, HOOF_ATTENTION_SPANS,     \
      i32 tiles, float scale, float scale2, i32 vector) {                                                                                  \
    attention::backward_queries<dims>(d_out, q, k, v, statistics, dq, HOOF_ATTENTION_BATCH, tiles, scale, scale2, vector != 0);            \
  }                                                                                                                                        \
  HOOF_EXPORT(name)
HOOF_ATTENTION_QUERIES(hoof_attention_backward_queries_bf16_d32, 32)
HOOF_ATTENTION_QUERIES(hoof_attention_backward_queries_bf16_d64, 64)
HOOF_ATTENTION_QUERIES(hoof_attention_backward_queries_bf16_d128, 128)

/// Grid: 64 rows of k × key head.
#define HOOF_ATTENTION_KEYS(name, dims)                                                                                                    \
  HOOF_KERNEL __launch_bounds__(attention::tensor_threads, 2) name(                                                                        \
      const bf16 *d_out, const bf16 *q, const bf16 *k, const bf16 *v, const RowStatistics *statistics, bf16 *dk, bf16 *dv,                 \
      HOOF_ATTENTION_SPANS, i64 key_rows, float scale, float scale2, i32 vector) {                                                         \
    attention::backward_keys<dims>(                                                                                                        \
        d_out, q, k, v, statistics, dk, dv, HOOF_ATTENTION_BATCH, key_rows, scale, scale2, vector != 0);                                   \
  }                                                                                                                                        \
  HOOF_EXPORT(name)
HOOF_ATTENTION_KEYS(hoof_attention_backward_keys_bf16_d32, 32)
HOOF_ATTENTION_KEYS(hoof_attention_backward_keys_bf16_d64, 64)
HOOF_ATTENTION_KEYS(hoof_attention_backward_keys_bf16_d128, 128)
