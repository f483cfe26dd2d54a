#ifndef HOOF_DOT_H
#define HOOF_DOT_H

#include "hoof_convert.h"

enum {
  /// Rows of activations one call takes at most.
  hoof_dot_rows = 8,
  /// Rows of activations are padded with zeros to a multiple of this many floats, which also silences the padding of quantised weights.
  hoof_dot_padding = 256,
};

/// out[m·stride + n] = Σ_k x[m, k]·b[n, k] + beta·out[m·stride + n] for n in first ..< end and m < rows (at most hoof_dot_rows): products
/// of few rows with a matrix that is read once, from memory. x has `padded` floats a row (columns rounded up to hoof_dot_padding, zeros).
/// An element's value does not depend on the number of rows. With beta 0 out is not read.
void hoof_dot(
    enum hoof_simd simd, enum hoof_type type, const float *x, size_t padded, size_t rows, const void *b, size_t row_bytes, size_t columns,
    size_t first, size_t end, float beta, float *out, size_t stride);

#endif
