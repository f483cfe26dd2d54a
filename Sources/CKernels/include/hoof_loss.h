#ifndef HOOF_LOSS_H
#define HOOF_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

/// losses = -ln softmax(logits)[target], 0 for a negative target; d_logits = scale·(softmax - onehot), null or `logits` itself or apart.
void hoof_cross_entropy(
    enum hoof_simd simd, const float *logits, const int32_t *targets, float scale, float *losses, float *d_logits, size_t rows,
    size_t columns);

/// divergences = KL(softmax p ‖ softmax q) in nats; dq = scale·(softmax q - softmax p), null or `q` itself or apart.
void hoof_kl_divergence(
    enum hoof_simd simd, const float *p, const float *q, float scale, float *divergences, float *dq, size_t rows, size_t columns);

/// KL(p ‖ q), -ln softmax(q)[target] and the first maximum of q, all in one pass over both rows.
void hoof_compare_rows(
    enum hoof_simd simd, const float *p, const float *q, const int32_t *targets, float *divergences, float *losses, int32_t *winners,
    size_t rows, size_t columns);

#endif
