#ifndef HOOF_FINITE_H
#define HOOF_FINITE_H

#include <stddef.h>

/// 1 when no value is NaN or infinite, else 0. `values` need not be aligned.
int hoof_finite_f32(const void *values, size_t count);
int hoof_finite_f16(const void *values, size_t count);
int hoof_finite_bf16(const void *values, size_t count);

/// The same for quantised blocks, whose only floats are f16 scales: `scales` of them at the start of each block of `stride` bytes.
int hoof_finite_blocks(const void *blocks, size_t count, size_t stride, size_t scales);

#endif
