// The blocks of fixed.c for one instruction set; see there. LEVEL, LANES, ROWS and, but for the portable level, DOT are defined by the
// includer.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(x) JOIN(x, LEVEL)
#define INLINE static inline __attribute__((always_inline))
#define WORDS NAME(words)
#define WIDTH (2 * LANES)
#define LINE (LANES * 4)
#if LANES == 16
#define PAIRS 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15
#elif LANES == 8
#define PAIRS 0, 2, 1, 3, 4, 6, 5, 7
#else
#define PAIRS 0, 2, 1, 3
#endif

#include "deal_level.h"

typedef int16_t WORDS __attribute__((ext_vector_type(2 * LANES)));
typedef float NAME(loose) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));
typedef int16_t NAME(loose_words) __attribute__((ext_vector_type(LANES), aligned(2), may_alias));

/// sum + the products of both 16-bit halves of w and x, lane by lane.
INLINE INTS NAME(dot)(INTS sum, INTS w, INTS x) {
#ifdef DOT
  return (INTS)DOT(sum, w, x);
#else
  return sum + (w << 16 >> 16) * (x << 16 >> 16) + (w >> 16) * (x >> 16);
#endif
}

static void NAME(pack_a)(
    enum hoof_type type, const float *a, size_t stride, size_t rows, size_t k0, size_t depth, uint8_t *packed) {
  for (size_t m = 0; m < rows; m++, packed += hoof_fixed_row) {
    _Alignas(64) float line[hoof_fixed_depth];
    const float *x = a + m * stride + k0;
    if (depth < hoof_fixed_depth) {
      memcpy(line, x, depth * sizeof(float));
      memset(line + depth, 0, (hoof_fixed_depth - depth) * sizeof(float));
      x = line;
    }
    // As whole numbers, what is not finite is the largest.
    INTS greatest[2] = {(INTS)(0), (INTS)(0)};
    for (size_t k = 0; k < hoof_fixed_depth; k += 2 * LANES) {
      for (size_t i = 0; i < 2; i++) {
        INTS bits = *(const NAME(loose_ints) *)(const void *)(x + k + i * LANES);
        greatest[i] = __builtin_elementwise_max(greatest[i], bits & 0x7fffffff);
      }
    }
    const uint32_t bits = (uint32_t)__builtin_reduce_max(__builtin_elementwise_max(greatest[0], greatest[1]));
    // No unit below 2^-126, lest its inverse overflow: values that are all smaller than 2^-111 lose bits.
    float unit = bits_to_float(bits) / 32767;
    if (!(unit >= 0x1p-126f)) unit = 0x1p-126f;
    if (bits >= 0x7f800000) unit = bits_to_float(0x7fc00000);
    const FLOATS inverse = (FLOATS)(1 / unit);
    // Adding 1.5·2^23 rounds to whole numbers, to nearest even, and leaves them in the low bits.
    const FLOATS magic = (FLOATS)(0x1.8p23f);
    int16_t *out = (int16_t *)(void *)(packed + 64);
    for (size_t k = 0; k < hoof_fixed_depth; k += LANES) {
      INTS q = (INTS)(*(const NAME(loose) *)(x + k) * inverse + magic);
      *(NAME(loose_words) *)(out + k) = __builtin_convertvector(__builtin_shufflevector(q, q, PAIRS), NAME(loose_words));
    }
    if (type == hoof_type_q4_K) {
      float *sums = (float *)(void *)packed;
      for (size_t j = 0; j < hoof_fixed_depth / 32; j++) {
        INTS sum = (INTS)(0);
        for (size_t k = 32 * j; k < 32 * j + 32; k += 2 * LANES) {
          sum = NAME(dot)(sum, (INTS)(*(const WORDS *)(const void *)(out + k)), (INTS)(0x10001));
        }
        sums[j] = (float)__builtin_reduce_add(sum);
      }
    }
    memcpy(packed + 64 + 2 * hoof_fixed_depth, &unit, 4);
  }
}

// A sliver of WIDTH columns: for each stretch of K the steps (and, for q4_K, minima of both halves), then pairs of values, all columns of a
// pair beside each other. Of every four neighbours in K the first and third are a pair, then the second and fourth: so a word of four bytes
// comes apart by shifts.

INLINE void NAME(pack_q8_0)(const uint8_t *b, size_t row_bytes, size_t columns, size_t blocks, uint8_t *packed) {
  static const uint8_t nothing[q8_0_bytes];
  for (size_t v = 0; v < 2; v++) {
    for (size_t g = 0; g < blocks; g++) {
      const uint8_t *column[LANES];
      _Pragma("unroll") for (size_t i = 0; i < LANES; i++) {
        const size_t n = v * LANES + i;
        column[i] = n < columns ? b + n * row_bytes + g * q8_0_bytes : nothing;
      }
      uint8_t *out = packed + g * STRETCH_BYTES(hoof_type_q8_0) * WIDTH + v * LINE;
      *(FLOATS *)(void *)out = NAME(widen)(NAME(gather)(column, 0));
      INTS words[8];
      NAME(deal)(column, 2, words);
      _Pragma("unroll") for (size_t t = 0; t < 8; t++) {
        uint8_t *pairs = out + 2 * LINE + 2 * t * 2 * LINE;
        *(WORDS *)(void *)pairs = (WORDS)words[t] << 8 >> 8;
        *(WORDS *)(void *)(pairs + 2 * LINE) = (WORDS)words[t] >> 8;
      }
    }
  }
}

/// Word 0 ... 3 of what `factors` has as bytes, as 16-bit numbers in both halves of each lane.
INLINE WORDS NAME(factor)(INTS factors, size_t index) {
  INTS one = factors >> (int)(8 * index) & 63;
  return (WORDS)(one | one << 16);
}

INLINE void NAME(pack_q4_K)(const uint8_t *b, size_t row_bytes, size_t columns, size_t blocks, uint8_t *packed) {
  static const uint8_t nothing[q4_K_bytes];
  const size_t stretch = STRETCH_BYTES(hoof_type_q4_K) * WIDTH;
  for (size_t v = 0; v < 2; v++) {
    for (size_t s = 0; s < blocks; s++) {
      const uint8_t *column[LANES];
      _Pragma("unroll") for (size_t i = 0; i < LANES; i++) {
        const size_t n = v * LANES + i;
        column[i] = n < columns ? b + n * row_bytes + s * q4_K_bytes : nothing;
      }
      // Steps and minima of sub-blocks 0 ... 3 and 4 ... 7, one a byte.
      const INTS scales = NAME(gather)(column, 0), u = NAME(gather)(column, 4), l = NAME(gather)(column, 8), h = NAME(gather)(column, 12);
      const INTS steps[2] = {u & 0x3f3f3f3f, (h & 0x0f0f0f0f) | (u >> 2 & 0x30303030)};
      const INTS minima[2] = {l & 0x3f3f3f3f, (h >> 4 & 0x0f0f0f0f) | (l >> 2 & 0x30303030)};
      const FLOATS d = NAME(widen)(scales & 0xffff), lowest = NAME(widen)(scales >> 16 & 0xffff);
      for (size_t j = 0; j < 4; j++) {
        uint8_t *out = packed + (4 * s + j) * stretch + v * LINE;
        FLOATS *head = (FLOATS *)(void *)out;
        const INTS step = steps[j / 2] >> (int)(j % 2 * 16), minimum = minima[j / 2] >> (int)(j % 2 * 16);
        head[0] = d;
        head[2] = lowest * __builtin_convertvector(minimum & 63, FLOATS);
        head[4] = lowest * __builtin_convertvector(minimum >> 8 & 63, FLOATS);
        const WORDS low = NAME(factor)(step, 0), high = NAME(factor)(step, 1);
        INTS words[8];
        NAME(deal)(column, 16 + 32 * j, words);
        _Pragma("unroll") for (size_t t = 0; t < 8; t++) {
          const WORDS w = (WORDS)words[t];
          uint8_t *pairs = out + 6 * LINE + 2 * t * 2 * LINE;
          *(WORDS *)(void *)pairs = (w & 15) * low;
          *(WORDS *)(void *)(pairs + 2 * LINE) = (w >> 8 & 15) * low;
          *(WORDS *)(void *)(pairs + 16 * 2 * LINE) = (w >> 4 & 15) * high;
          *(WORDS *)(void *)(pairs + 17 * 2 * LINE) = (w >> 12 & 15) * high;
        }
      }
    }
  }
}

static void NAME(pack_b)(
    enum hoof_type type, const uint8_t *b, size_t row_bytes, size_t column, size_t columns, size_t k0, size_t depth,
    uint8_t *packed) {
  const uint8_t *first = b + column * row_bytes + hoof_row_bytes(type, k0);
  for (size_t n = 0; n < columns; n += WIDTH, first += WIDTH * row_bytes) {
    const size_t count = columns - n < WIDTH ? columns - n : WIDTH;
    if (type == hoof_type_q4_K) {
      NAME(pack_q4_K)(first, row_bytes, count, (depth + 255) / 256, packed);
      packed += (depth + 255) / 256 * 4 * STRETCH_BYTES(type) * WIDTH;
    } else {
      NAME(pack_q8_0)(first, row_bytes, count, (depth + 31) / 32, packed);
      packed += (depth + 31) / 32 * STRETCH_BYTES(type) * WIDTH;
    }
  }
}

/// `height` rows by WIDTH columns: whole numbers in registers over a stretch of K, floats over all of it.
INLINE void NAME(tile)(
    const enum hoof_type type, const int height, const uint8_t *a, const uint8_t *b, size_t columns, size_t depth, float beta, float *out,
    size_t stride) {
  FLOATS total[ROWS][2];
  _Pragma("unroll") for (int m = 0; m < height; m++) total[m][0] = total[m][1] = (FLOATS)(0.0f);
  const uint8_t *x = a + 64;
  for (size_t k = 0, j = 0; k < depth; k += STRETCH(type), j += 2) {
    const FLOATS *head = (const FLOATS *)(const void *)b;
    const uint8_t *w = b + (STRETCH_BYTES(type) - 2 * STRETCH(type)) * WIDTH;
    INTS sum[ROWS][2];
    _Pragma("unroll") for (int m = 0; m < height; m++) sum[m][0] = sum[m][1] = (INTS)(0);
    _Pragma("clang loop unroll_count(4)") for (size_t pair = 0; pair < STRETCH(type) / 2; pair++, w += 2 * LINE, x += 4) {
      const INTS first = *(const INTS *)(const void *)w, second = *(const INTS *)(const void *)(w + LINE);
      _Pragma("unroll") for (int m = 0; m < height; m++) {
        const INTS value = (INTS)(*(const int32_t *)(const void *)(x + (size_t)m * hoof_fixed_row));
        sum[m][0] = NAME(dot)(sum[m][0], first, value);
        sum[m][1] = NAME(dot)(sum[m][1], second, value);
      }
    }
    _Pragma("unroll") for (int m = 0; m < height; m++) {
      _Pragma("unroll") for (int v = 0; v < 2; v++) total[m][v] = __builtin_convertvector(sum[m][v], FLOATS) * head[v] + total[m][v];
    }
    if (type == hoof_type_q4_K) {
      const float *sums = (const float *)(const void *)a + j;
      _Pragma("unroll") for (int m = 0; m < height; m++) {
        const float *low = (const float *)(const void *)((const uint8_t *)sums + (size_t)m * hoof_fixed_row);
        _Pragma("unroll") for (int v = 0; v < 2; v++) {
          total[m][v] = total[m][v] - head[2 + v] * (FLOATS)(low[0]);
          total[m][v] = total[m][v] - head[4 + v] * (FLOATS)(low[1]);
        }
      }
    }
    b += STRETCH_BYTES(type) * WIDTH;
  }
  _Pragma("unroll") for (int m = 0; m < height; m++) {
    float unit, *p = out + (size_t)m * stride;
    memcpy(&unit, a + (size_t)m * hoof_fixed_row + 64 + 2 * hoof_fixed_depth, 4);
    if (columns == WIDTH) {
      _Pragma("unroll") for (int v = 0; v < 2; v++) {
        NAME(loose) *place = (NAME(loose) *)(p + v * LANES);
        FLOATS value = total[m][v] * (FLOATS)(unit);
        *place = beta == 0 ? value : (FLOATS)(beta) * *place + value;
      }
      continue;
    }
    // The edge goes through memory of its own, so that its sums round as everybody's.
    float line[WIDTH] = {0};
    if (beta != 0) memcpy(line, p, columns * sizeof(float));
    _Pragma("unroll") for (int v = 0; v < 2; v++) {
      NAME(loose) *place = (NAME(loose) *)(line + v * LANES);
      FLOATS value = total[m][v] * (FLOATS)(unit);
      *place = beta == 0 ? value : (FLOATS)(beta) * *place + value;
    }
    memcpy(p, line, columns * sizeof(float));
  }
}

typedef void (*NAME(tile_function))(const uint8_t *, const uint8_t *, size_t, size_t, float, float *, size_t);
#define TILE(kind, height) \
  static void NAME(tile_##kind##_##height)( \
      const uint8_t *a, const uint8_t *b, size_t columns, size_t depth, float beta, float *out, size_t stride) { \
    NAME(tile)(hoof_type_##kind, height, a, b, columns, depth, beta, out, stride); \
  }
#define TILES(height) TILE(q8_0, height) TILE(q4_K, height)
#define ENTRY(height) {NAME(tile_q8_0_##height), NAME(tile_q4_K_##height)}
TILES(1) TILES(2)
#if ROWS >= 4
TILES(3) TILES(4)
#endif
#if ROWS >= 6
TILES(5) TILES(6)
#endif
static const NAME(tile_function) NAME(tiles)[ROWS][2] = {
    ENTRY(1), ENTRY(2),
#if ROWS >= 4
    ENTRY(3), ENTRY(4),
#endif
#if ROWS >= 6
    ENTRY(5), ENTRY(6),
#endif
};

/// A sliver of b stays in the first cache while tiles of a pass by; tiles are of equal height, so that none is too low to fill the pipes.
static void NAME(multiply)(
    enum hoof_type type, const uint8_t *a, const uint8_t *b, size_t rows, size_t columns, size_t depth, float beta, float *out,
    size_t stride, struct hoof_ahead ahead) {
  const size_t tiles = (rows + ROWS - 1) / ROWS;
  if (tiles == 0) return;
  const size_t height = rows / tiles, taller = rows % tiles;
  const size_t whole = type == hoof_type_q4_K ? (depth + 255) / 256 * 256 : (depth + 31) / 32 * 32;
  const size_t sliver = whole / STRETCH(type) * STRETCH_BYTES(type) * WIDTH;
  // Asked for all at once, memory would be waited for.
  const size_t turns = (columns + WIDTH - 1) / WIDTH * tiles, lines = (ahead.bytes + 63) / 64, share = (ahead.rows + turns - 1) / turns;
  size_t asked = 0;
  for (size_t n = 0; n < columns; n += WIDTH, b += sliver) {
    const size_t width = columns - n < WIDTH ? columns - n : WIDTH;
    size_t m = 0;
    for (size_t t = 0; t < tiles; t++) {
      for (size_t end = ahead.rows - asked < share ? ahead.rows : asked + share; asked < end; asked++) {
        for (size_t line = 0; line < lines; line++) {
          __builtin_prefetch((const void *)((uintptr_t)ahead.start + asked * ahead.stride + 64 * line), 0, 2);
        }
      }
      const size_t tall = height + (t < taller);
      NAME(tiles)[tall - 1][type == hoof_type_q4_K](a + m * hoof_fixed_row, b, width, depth, beta, out + m * stride + n, stride);
      m += tall;
    }
  }
}

#undef JOIN2
#undef JOIN
#undef NAME
#undef INLINE
#undef FLOATS
#undef INTS
#undef WORDS
#undef WIDTH
#undef LINE
#undef PAIRS
#undef TILE
#undef TILES
#undef ENTRY
#undef LEVEL
#undef LANES
#undef ROWS
#undef DOT
