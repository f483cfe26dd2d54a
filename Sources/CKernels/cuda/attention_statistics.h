// What the backward pass needs of each row (query and head) besides q and dOut: log2 Σ exp2 of its scores, and dOut·out, the sum that the
// soft-max subtracts from dOut·vᵀ. A warp per row; sums in f32, lanes 32 dims apart. Traffic: dOut and out once.
#pragma once
#include "attention_spans.h"

namespace attention {
struct alignas(8) RowStatistics {
  float log, expected;
};

/// Rows of dq outside all sequences become zero here: no other block comes by.
template <class T>
HOOF_INLINE void row_statistics(
    const T *d_out, const T *out, const float *log_sum_exp, RowStatistics *statistics, T *dq, const i32 *query_starts, int count, i64 rows,
    int heads, int head_dim) {
  i64 row = (i64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  if (row >= rows) return;
  const T *a = d_out + row * head_dim, *b = out + row * head_dim;
  float sum = 0;
  for (int column = lane; column < head_dim; column += 32) sum += to_float(a[column]) * to_float(b[column]);
  sum = warp_sum(sum);
  if (lane == 0) statistics[row] = {log_sum_exp[row] * log2_of_e, sum};
  i64 query = row / heads;
  if (query >= query_starts[0] && query < query_starts[count]) return;
  for (int column = lane; column < head_dim; column += 32) dq[row * head_dim + column] = from_float<T>(0.0f);
}
}  // namespace attention
