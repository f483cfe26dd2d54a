// Joins the parts of attention whose keys were split over blocks: a warp per row (query and head) weighs each part by exp2 of its log2 Σ
// exp2, always in the order of the parts. Parts of no key have -inf there and no output. Traffic: the parts once, out once.
#pragma once
#include "attention_spans.h"

namespace attention {
template <class T>
HOOF_INLINE void merge(
    const float *parts, const float *part_logs, T *out, float *log_sum_exp, i64 rows, int head_dim, int splits) {
  i64 row = (i64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  if (row >= rows) return;
  float greatest = -infinity(), sum = 0;
  for (int part = 0; part < splits; part++) greatest = fmaxf(greatest, part_logs[part * rows + row]);
  float base = greatest == -infinity() ? 0.0f : greatest;
  for (int part = 0; part < splits; part++) sum += exp2f(part_logs[part * rows + row] - base);
  if (lane == 0) log_sum_exp[row] = log_of_sum(greatest, sum) * ln_of_2;
  for (int column = lane; column < head_dim; column += 32) {
    float result = 0;
    for (int part = 0; part < splits; part++) {
      float log = part_logs[part * rows + row];
      if (log != -infinity()) result += exp2f(log - base) * parts[(part * rows + row) * head_dim + column];
    }
    out[row * head_dim + column] = from_float<T>(sum > 0 || sum != sum ? result / sum : 0.0f);
  }
}
}  // namespace attention
