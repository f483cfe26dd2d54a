// Attention forward in plain f32 arithmetic, for f32 and for heads wider than 128. The grid's x is sequence × key head × tile of 64 rows, y
// the share of the keys, z 128 dims of the output.
#include "attention_general.h"
#include "attention_merge.h"

/// Parameters as in attention.cu, but nothing needs to be aligned.
#define HOOF_ATTENTION_GENERAL(name, T)                                                                                                    \
  HOOF_KERNEL __launch_bounds__(attention::general_threads) name(                                                                          \
      const T *q, const T *k, const T *v, T *out, float *log_sum_exp, float *parts, float *part_logs, HOOF_ATTENTION_SPANS, i32 tiles,     \
      i32 splits, i32 query_rows, float scale) {                                                                                           \
    attention::general_forward<T>(q, k, v, out, log_sum_exp, parts, part_logs, HOOF_ATTENTION_BATCH, tiles, splits, query_rows, scale);    \
  }                                                                                                                                        \
  HOOF_EXPORT(name)
HOOF_ATTENTION_GENERAL(hoof_attention_f32, float)
HOOF_ATTENTION_GENERAL(hoof_attention_bf16, bf16)

HOOF_KERNEL hoof_attention_merge_f32(
    const float *parts, const float *part_logs, float *out, float *log_sum_exp, i64 rows, i32 head_dim, i32 splits) {
  attention::merge<float>(parts, part_logs, out, log_sum_exp, rows, head_dim, splits);
}
HOOF_EXPORT(hoof_attention_merge_f32)
