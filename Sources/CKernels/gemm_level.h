// The blocks of gemm.c for one instruction set; see there. LEVEL, LANES and ROWS are defined by the includer.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(x) JOIN(x, LEVEL)
#define VECTOR NAME(vector)
#define WIDTH (2 * LANES)
#define INLINE static inline __attribute__((always_inline))

enum { NAME(tile_rows) = ROWS };

typedef float VECTOR __attribute__((ext_vector_type(LANES)));
typedef float NAME(loose) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));

INLINE VECTOR NAME(load)(const float *p) { return *(const NAME(loose) *)p; }
INLINE void NAME(store)(float *p, VECTOR v) { *(NAME(loose) *)p = v; }

// One step of the butterfly that transposes LANES rows: swaps the off-diagonal blocks of `s` lanes.
#include "butterfly.h"
#define STEP(r, s) \
  _Pragma("unroll") for (int i = 0; i < LANES; i++) { \
    if (i & (s)) continue; \
    VECTOR x = r[i], y = r[i + (s)]; \
    r[i] = __builtin_shufflevector(x, y, PATTERN(NEAR, s)); \
    r[i + (s)] = __builtin_shufflevector(x, y, PATTERN(FAR, s)); \
  }

/// out[k·out_stride + i] = in[i·in_stride + k]: LANES rows of `depth` values; the last few columns one by one.
INLINE void NAME(transpose)(const float *in, size_t in_stride, size_t depth, float *out, size_t out_stride) {
  size_t k = 0;
  for (; k + LANES <= depth; k += LANES) {
    VECTOR r[LANES];
    _Pragma("unroll") for (int i = 0; i < LANES; i++) r[i] = NAME(load)(in + (size_t)i * in_stride + k);
    STEP(r, 1)
    STEP(r, 2)
#if LANES >= 8
    STEP(r, 4)
#endif
#if LANES == 16
    STEP(r, 8)
#endif
    _Pragma("unroll") for (int i = 0; i < LANES; i++) NAME(store)(out + (k + (size_t)i) * out_stride, r[i]);
  }
  for (; k < depth; k++) {
    for (size_t i = 0; i < LANES; i++) out[k * out_stride + i] = in[i * in_stride + k];
  }
}

static void NAME(pack_a)(const float *a, size_t stride, int transposed, size_t row, size_t rows, size_t k0, size_t depth, float *packed) {
  if (!transposed) {
    for (size_t m = 0; m < rows; m++) memcpy(packed + m * hoof_gemm_row, a + (row + m) * stride + k0, depth * sizeof(float));
    return;
  }
  const float *in = a + k0 * stride + row;
  size_t k = 0;
  for (; k + LANES <= depth; k += LANES) NAME(transpose)(in + k * stride, stride, rows, packed + k, hoof_gemm_row);
  for (; k < depth; k++) {
    for (size_t m = 0; m < rows; m++) packed[m * hoof_gemm_row + k] = in[k * stride + m];
  }
}

/// b's rows run along K: LANES of them at a time are converted, then transposed into half a sliver.
static void NAME(pack_b_rows)(
    enum hoof_simd simd, enum hoof_type type, const uint8_t *b, size_t row_bytes, size_t column, size_t columns, size_t k0, size_t depth,
    float *packed) {
  _Alignas(64) float lines[LANES * hoof_gemm_row];
  size_t whole = (columns + hoof_gemm_group - 1) / hoof_gemm_group * hoof_gemm_group;
  for (size_t n = 0; n < whole; n += LANES) {
    float *out = packed + n / WIDTH * WIDTH * depth + n % WIDTH;
    size_t rows = n < columns ? (columns - n < LANES ? columns - n : LANES) : 0;
    const uint8_t *first = b + (column + n) * row_bytes;
    if (type == hoof_type_f32 && rows == LANES) {
      NAME(transpose)((const float *)(const void *)first + k0, row_bytes / sizeof(float), depth, out, WIDTH);
      continue;
    }
    for (size_t i = 0; i < rows; i++) hoof_row_to_f32(simd, type, first + i * row_bytes, k0, depth, lines + i * hoof_gemm_row);
    for (size_t i = rows; i < LANES; i++) memset(lines + i * hoof_gemm_row, 0, depth * sizeof(float));
    NAME(transpose)(lines, hoof_gemm_row, depth, out, WIDTH);
  }
}

/// b's rows run along N: a group of columns of each row is converted and dealt out to its slivers.
static void NAME(pack_b_columns)(
    enum hoof_simd simd, enum hoof_type type, const uint8_t *b, size_t row_bytes, size_t column, size_t columns, size_t k0, size_t depth,
    float *packed) {
  _Alignas(64) float line[hoof_gemm_group];
  for (size_t n = 0; n < columns; n += hoof_gemm_group) {
    size_t count = columns - n < hoof_gemm_group ? columns - n : hoof_gemm_group;
    memset(line, 0, sizeof line);
    float *group = packed + n * depth;
    for (size_t k = 0; k < depth; k++) {
      const uint8_t *row = b + (k0 + k) * row_bytes;
      const float *values = line;
      if (type == hoof_type_f32 && count == hoof_gemm_group) {
        values = (const float *)(const void *)row + column + n;
      } else {
        hoof_row_to_f32(simd, type, row, column + n, count, line);
      }
      _Pragma("unroll") for (int j = 0; j < hoof_gemm_group / WIDTH; j++) {
        float *sliver = group + (size_t)j * WIDTH * depth + k * WIDTH;
        NAME(store)(sliver, NAME(load)(values + j * WIDTH));
        NAME(store)(sliver + LANES, NAME(load)(values + j * WIDTH + LANES));
      }
    }
  }
}

static void NAME(pack_b)(
    enum hoof_simd simd, enum hoof_type type, const uint8_t *b, size_t row_bytes, int transposed, size_t column, size_t columns, size_t k0,
    size_t depth, float *packed) {
  if (transposed) {
    NAME(pack_b_rows)(simd, type, b, row_bytes, column, columns, k0, depth, packed);
  } else {
    NAME(pack_b_columns)(simd, type, b, row_bytes, column, columns, k0, depth, packed);
  }
}

/// `height` rows by `vectors` vectors of out, held in registers over the whole depth.
INLINE void NAME(tile)(
    const int height, const int vectors, const float *a, size_t a_stride, const float *b, size_t columns, size_t depth, float beta,
    float *out, size_t stride) {
  VECTOR sum[ROWS][2];
  _Pragma("unroll") for (int m = 0; m < height; m++) {
    _Pragma("unroll") for (int v = 0; v < vectors; v++) sum[m][v] = (VECTOR)(0.0f);
  }
  // Rows of out lie a page or more apart, where no hardware prefetcher follows.
  _Pragma("unroll") for (int m = 0; m < height; m++) {
    _Pragma("unroll") for (int v = 0; v < vectors; v++) __builtin_prefetch(out + (size_t)m * stride + v * LANES, 1);
  }
  for (size_t k = 0; k < depth; k++, b += WIDTH) {
    VECTOR column[2];
    _Pragma("unroll") for (int v = 0; v < vectors; v++) column[v] = *(const VECTOR *)(const void *)(b + v * LANES);
    _Pragma("unroll") for (int m = 0; m < height; m++) {
      VECTOR value = (VECTOR)(a[(size_t)m * a_stride + k]);
      _Pragma("unroll") for (int v = 0; v < vectors; v++) sum[m][v] = value * column[v] + sum[m][v];
    }
  }
  if (columns == (size_t)(vectors * LANES)) {
    _Pragma("unroll") for (int m = 0; m < height; m++) {
      _Pragma("unroll") for (int v = 0; v < vectors; v++) {
        float *p = out + (size_t)m * stride + v * LANES;
        NAME(store)(p, beta == 0 ? sum[m][v] : (VECTOR)(beta)*NAME(load)(p) + sum[m][v]);
      }
    }
    return;
  }
  // The edge goes through memory that is padded on both sides, so that its sums round as everybody's.
  _Pragma("unroll") for (int m = 0; m < height; m++) {
    float *p = out + (size_t)m * stride, line[WIDTH];
    if (beta != 0) memcpy(line, p, columns * sizeof(float));
    _Pragma("unroll") for (int v = 0; v < vectors; v++) {
      NAME(store)(line + v * LANES, beta == 0 ? sum[m][v] : (VECTOR)(beta)*NAME(load)(line + v * LANES) + sum[m][v]);
    }
    memcpy(p, line, columns * sizeof(float));
  }
}

typedef void (*NAME(tile_function))(const float *, size_t, const float *, size_t, size_t, float, float *, size_t);
#define TILE(height, vectors) \
  static void NAME(tile_##height##x##vectors)( \
      const float *a, size_t a_stride, const float *b, size_t columns, size_t depth, float beta, float *out, size_t stride) { \
    NAME(tile)(height, vectors, a, a_stride, b, columns, depth, beta, out, stride); \
  }
#define TILES(height) TILE(height, 1) TILE(height, 2)
#define ENTRY(height) {NAME(tile_##height##x1), NAME(tile_##height##x2)}
TILES(1) TILES(2) TILES(3) TILES(4)
#if ROWS >= 6
TILES(5) TILES(6)
#endif
#if ROWS >= 12
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12)
#endif

static const NAME(tile_function) NAME(tiles)[ROWS][2] = {
    ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if ROWS >= 6
    ENTRY(5), ENTRY(6),
#endif
#if ROWS >= 12
    ENTRY(7), ENTRY(8), ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12),
#endif
};

/// The sliver of b stays in the first cache while tiles of a pass by; tiles are of equal height, so that none is too low to fill the pipes.
static void NAME(multiply)(
    const float *a, size_t a_stride, const float *b, size_t rows, size_t columns, size_t depth, float beta, float *out, size_t stride) {
  size_t tiles = (rows + ROWS - 1) / ROWS;
  if (tiles == 0) return;
  size_t height = rows / tiles, taller = rows % tiles;
  for (size_t n = 0; n < columns; n += WIDTH, b += WIDTH * depth) {
    size_t width = columns - n < WIDTH ? columns - n : WIDTH;
    int second = width > LANES;
    size_t m = 0;
    for (size_t t = 0; t < tiles; t++) {
      size_t tall = height + (t < taller);
      NAME(tiles)[tall - 1][second](a + m * a_stride, a_stride, b, width, depth, beta, out + m * stride + n, stride);
      m += tall;
    }
  }
}

#undef JOIN2
#undef JOIN
#undef NAME
#undef VECTOR
#undef WIDTH
#undef INLINE
#undef STEP
#undef TILE
#undef TILES
#undef ENTRY
#undef LEVEL
#undef LANES
#undef ROWS
