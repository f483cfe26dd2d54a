#ifndef HOOF_DOT_H
#define HOOF_DOT_H

#include "hoof_convert.h"

enum {
  /// Rows of activations one call takes at most.
  hoof_dot_rows = 8,
  /// Columns that are best taken together: pieces of a product should be multiples of it.
  hoof_dot_group = 32,
};

/// Floats from one prepared row of activations to the next.
size_t hoof_dot_stride(size_t columns);

/// Copies a row of activations into the order the kernel of this type reads it in, with zeros behind it, which also silence whatever
/// the padding of quantised weights holds. `bytes`: what an activation keeps in kernels that multiply bytes: 3, of floats' precision, or 2.
void hoof_dot_prepare(enum hoof_simd simd, enum hoof_type type, int bytes, const float *x, size_t columns, float *out);

/// out[m·stride + n] = Σ_k x[m, k]·b[n, k] + beta·out[m·stride + n] for n in first ..< end and m < rows (at most hoof_dot_rows): products
/// of few rows with a matrix that is read once, from memory. x holds rows prepared with the same `bytes`. An element's value does not
/// depend on the number of rows, but that with 2 bytes one row alone is summed in another order. With beta 0 out is not read.
void hoof_dot(
    enum hoof_simd simd, enum hoof_type type, int bytes, const float *x, size_t x_stride, size_t rows, const void *b, size_t row_bytes,
    size_t columns, size_t first, size_t end, float beta, float *out, size_t stride);

#endif
