// Attention backward in plain f32 arithmetic, for f32 and for heads wider than 128. Parameters as in attention_backward.cu, but nothing
// needs to be aligned; blockIdx.y takes 128 dims of the gradients.
#include "attention_backward_general.h"
using attention::RowStatistics;

HOOF_KERNEL hoof_attention_statistics_f32(
    const float *d_out, const float *out, const float *log_sum_exp, RowStatistics *statistics, float *dq, const i32 *query_starts,
    i32 count, i64 rows, i32 heads, i32 head_dim) {
  attention::row_statistics<float>(d_out, out, log_sum_exp, statistics, dq, query_starts, count, rows, heads, head_dim);
}
HOOF_EXPORT(hoof_attention_statistics_f32)

#define HOOF_ATTENTION_BACKWARD(queries_name, keys_name, T)                                                                                \
  HOOF_KERNEL __launch_bounds__(attention::general_threads) queries_name(                                                                  \
      const T *d_out, const T *q, const T *k, const T *v, const RowStatistics *statistics, T *dq, HOOF_ATTENTION_SPANS, i32 tiles,         \
      float scale, float scale2) {                                                                                                         \
    attention::general_queries<T>(d_out, q, k, v, statistics, dq, HOOF_ATTENTION_BATCH, tiles, scale, scale2);                             \
  }                                                                                                                                        \
  HOOF_EXPORT(queries_name)                                                                                                                \
  HOOF_KERNEL __launch_bounds__(attention::general_threads, 1) keys_name(                                                                  \
      const T *d_out, const T *q, const T *k, const T *v, const RowStatistics *statistics, T *dk, T *dv, HOOF_ATTENTION_SPANS,             \
      i64 key_rows, float scale, float scale2) {                                                                                           \
    attention::general_keys<T>(d_out, q, k, v, statistics, dk, dv, HOOF_ATTENTION_BATCH, key_rows, scale, scale2);                         \
  }                                                                                                                                        \
  HOOF_EXPORT(keys_name)
HOOF_ATTENTION_BACKWARD(hoof_attention_backward_queries_f32, hoof_attention_backward_keys_f32, float)
HOOF_ATTENTION_BACKWARD(hoof_attention_backward_queries_bf16, hoof_attention_backward_keys_bf16, bf16)
