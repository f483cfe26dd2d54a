#ifndef HOOF_ROPE_H
#define HOOF_ROPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

/// Rotates each head of each row. Row r uses table row slots[r] - first, or r itself when slots is null; a table row is head_dim/2 cosines,
/// then head_dim/2 sines.
void hoof_rope(
    enum hoof_simd simd, const float *x, const int32_t *slots, int32_t first, const float *table, bool interleaved, bool inverse, float *out,
    size_t rows, size_t heads, size_t head_dim);

#endif
