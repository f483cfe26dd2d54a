// Small matrix products in registers: TILE_ROWS × TILE_VECTORS accumulators, one broadcast and TILE_VECTORS loads per step of the sum.
// Included once per level.
#undef TILE_VECTORS
#define TILE_ROWS 6
#if HOOF_LEVEL == 2
#define TILE_VECTORS 4
#else
#define TILE_VECTORS 2
#endif

#define tile_product KERNEL(tile_product)
#define tiled_strip KERNEL(tiled_strip)
#define strip_product KERNEL(strip_product)
#define block_product KERNEL(block_product)
#define pack_transposed KERNEL(pack_transposed)

#ifndef HOOF_TILES
#define HOOF_TILES
/// c = (c·keep + a·b)·finish. a: element (row, step) at a[row·row_stride + step·step_stride]; b: [depth, columns], rows b_stride apart.
/// keep and finish are per row; keep null means c is not read, finish null means 1.
struct hoof_product {
  const float *a;
  size_t row_stride, step_stride;
  const float *b;
  size_t b_stride, depth;
  float *c;
  size_t c_stride;
  const float *keep, *finish;
};
#endif

/// `tile`: rows that are computed, TILE_ROWS or half as many.
LANE void tile_product(
    const struct hoof_product *t, const size_t tile, size_t rows, size_t column, const int vectors, const bool whole, size_t tail) {
  const float *a[TILE_ROWS];
  // Rows past the end repeat the last one: computed and thrown away, so that the loop below has no branches.
  for (size_t r = 0; r < tile; r++) a[r] = t->a + (r < rows ? r : rows - 1) * t->row_stride;
  vf sum[TILE_ROWS][TILE_VECTORS];
  for (size_t r = 0; r < tile; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = vset(0);
  const float *b = t->b + column;
  for (size_t step = 0, at = 0; step < t->depth; step++, at += t->step_stride, b += t->b_stride) {
    vf x[TILE_VECTORS];
    for (int v = 0; v < vectors; v++) x[v] = whole || v + 1 < vectors ? vload(b + v * W) : vload_n(b + v * W, tail, 0);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < tile; r++) {
      vf y = vset(a[r][at]);
      for (int v = 0; v < vectors; v++) sum[r][v] = vfma(y, x[v], sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < tile; r++) {
    if (r >= rows) continue;
    float *c = t->c + r * t->c_stride + column;
    for (int v = 0; v < vectors; v++) {
      bool full = whole || v + 1 < vectors;
      vf y = sum[r][v];
      if (t->keep) y = vfma(full ? vload(c + v * W) : vload_n(c + v * W, tail, 0), vset(t->keep[r]), y);
      if (t->finish) y *= t->finish[r];
      if (full) vstore(c + v * W, y);
      else vstore_n(c + v * W, y, tail);
    }
  }
}

LANE void tiled_strip(const struct hoof_product *t, const size_t tile, size_t rows, size_t columns) {
  for (size_t column = 0; column < columns; column += TILE_VECTORS * W) {
    size_t n = columns - column, vectors = (n + W - 1) / W, tail = n % W;
    if (vectors >= TILE_VECTORS && n >= TILE_VECTORS * W) {
      tile_product(t, tile, rows, column, TILE_VECTORS, true, 0);
      continue;
    }
    switch (vectors) {
      case 1: tail ? tile_product(t, tile, rows, column, 1, false, tail) : tile_product(t, tile, rows, column, 1, true, 0); break;
      case 2: tail ? tile_product(t, tile, rows, column, 2, false, tail) : tile_product(t, tile, rows, column, 2, true, 0); break;
#if TILE_VECTORS > 2
      case 3: tail ? tile_product(t, tile, rows, column, 3, false, tail) : tile_product(t, tile, rows, column, 3, true, 0); break;
      case 4: tile_product(t, tile, rows, column, 4, false, tail); break;
#endif
    }
  }
}

/// Up to TILE_ROWS rows of a product, all columns.
static void strip_product(const struct hoof_product *t, size_t rows, size_t columns) {
  if (rows <= TILE_ROWS / 2) {
    tiled_strip(t, TILE_ROWS / 2, rows, columns);
  } else {
    tiled_strip(t, TILE_ROWS, rows, columns);
  }
}

/// A whole product; `keep` and `finish`, if any, hold one value per row.
LANE void block_product(struct hoof_product t, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r += TILE_ROWS) {
    strip_product(&t, rows - r < TILE_ROWS ? rows - r : TILE_ROWS, columns);
    t.a += TILE_ROWS * t.row_stride;
    t.c += TILE_ROWS * t.c_stride;
    if (t.keep) t.keep += TILE_ROWS;
    if (t.finish) t.finish += TILE_ROWS;
  }
}

/// out [columns, width] = xᵀ for `rows` <= width rows of x; columns of out past `rows` are zero up to the next multiple of 16.
LANE void pack_transposed(const float *x, size_t stride, size_t rows, size_t columns, float *out, size_t width) {
  typedef float four __attribute__((ext_vector_type(4)));
  size_t padded = (rows + 15) / 16 * 16;
  for (size_t r = 0; r < padded; r += 4) {
    size_t c = 0;
    if (r + 4 <= rows)
      for (; c + 4 <= columns; c += 4) {
        four a, b, d, e;
        memcpy(&a, x + r * stride + c, sizeof a);
        memcpy(&b, x + (r + 1) * stride + c, sizeof b);
        memcpy(&d, x + (r + 2) * stride + c, sizeof d);
        memcpy(&e, x + (r + 3) * stride + c, sizeof e);
        four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), de = __builtin_shufflevector(d, e, 0, 4, 1, 5);
        four ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), de2 = __builtin_shufflevector(d, e, 2, 6, 3, 7);
        four t0 = __builtin_shufflevector(ab, de, 0, 1, 4, 5), t1 = __builtin_shufflevector(ab, de, 2, 3, 6, 7);
        four t2 = __builtin_shufflevector(ab2, de2, 0, 1, 4, 5), t3 = __builtin_shufflevector(ab2, de2, 2, 3, 6, 7);
        memcpy(out + c * width + r, &t0, sizeof t0);
        memcpy(out + (c + 1) * width + r, &t1, sizeof t1);
        memcpy(out + (c + 2) * width + r, &t2, sizeof t2);
        memcpy(out + (c + 3) * width + r, &t3, sizeof t3);
      }
    for (; c < columns; c++)
      for (size_t i = r; i < r + 4; i++) out[c * width + i] = i < rows ? x[i * stride + c] : 0;
  }
}
