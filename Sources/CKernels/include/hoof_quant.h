#ifndef HOOF_QUANT_H
#define HOOF_QUANT_H

#include <stddef.h>

#include "hoof_cpu.h"

/// Quantises one row of `columns` floats into (columns + 31) / 32 blocks of 34 bytes; missing columns count as zero.
/// The bytes are those of ggml's quantize_row_q8_0_ref, whatever the input, infinities and NaN included.
void hoof_quantize_q8_0(const float *x, void *blocks, size_t columns);

/// Quantises one row of `columns` floats into (columns + 255) / 256 blocks of 144 bytes; missing columns count as zero.
/// The bytes are those of ggml's quantize_row_q4_K_ref (no importance matrix)
/// compiled without fused multiply-add, as ggml's base library is, for every finite
/// input (what a NaN becomes there depends on the compiler).
void hoof_quantize_q4_K(const float *x, void *blocks, size_t columns);

/// The same with a chosen instruction set; every one gives the same bytes.
void hoof_quantize_q8_0_with(enum hoof_simd simd, const float *x, void *blocks, size_t columns);
void hoof_quantize_q4_K_with(enum hoof_simd simd, const float *x, void *blocks, size_t columns);

#endif
