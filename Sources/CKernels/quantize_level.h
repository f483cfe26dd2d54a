// The quantisers of quantize.c for one instruction set; see there. LEVEL is defined by the includer.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(x) JOIN(x, LEVEL)
#define INLINE static inline __attribute__((always_inline))

// MARK: q8_0

static void NAME(q8_0)(const float *x, uint8_t *blocks, size_t count) {
  for (size_t b = 0; b < count; b++, x += 32, blocks += q8_0_bytes) {
    floats v[2] = {*(const loose_floats *)x, *(const loose_floats *)(x + 16)};
    floats m = __builtin_elementwise_max(__builtin_elementwise_abs(v[0]), __builtin_elementwise_abs(v[1]));
    float largest = __builtin_reduce_max(m);
    ints odd = (v[0] != v[0]) | (v[1] != v[1]);
    if (__builtin_reduce_or(odd)) {
      // With a NaN among them the reference's maximum depends on the order.
      largest = 0;
      for (int i = 0; i < 32; i++) largest = largest > fabsf(x[i]) ? largest : fabsf(x[i]);
    }
    float d = largest / 127;
    float inverse = d != 0 ? 1.0f / d : 0.0f;
    uint16_t half = scale_to_half(d);
    memcpy(blocks, &half, 2);
    for (int i = 0; i < 2; i++) {
      floats q = v[i] * (floats)(inverse);
      // What no int can hold ends as zero: the low byte of x86's conversion, which is what the reference stores.
      q = __builtin_elementwise_abs(q) < (floats)(0x1p31f) ? q : (floats)(0);
      ints whole = __builtin_convertvector(q, ints);
      floats rest = q - __builtin_convertvector(whole, floats);
      // Half away from zero; a comparison gives -1 where it holds.
      whole += (rest <= (floats)(-0.5f)) - (rest >= (floats)(0.5f));
      *(bytes *)(blocks + 2 + 16 * i) = __builtin_convertvector(whole, bytes);
    }
  }
}

// MARK: q4_K

INLINE ints NAME(level)(floats value) {
  ints bits = (ints)(value + (floats)(12582912.0f));
  ints l = (bits & 0x007fffff) - 0x00400000;
  return __builtin_elementwise_max(__builtin_elementwise_min(l, (ints)(15)), (ints)(0));
}

INLINE floats NAME(as_floats)(ints l) { return __builtin_convertvector(l, floats); }

/// Scales, minima and levels of 16 blocks of 32: the reference's search over 21 stretched grids, each followed by a weighted least-squares
/// fit, kept when the weighted error falls.
INLINE void NAME(fit)(const floats *x, ints *levels, floats *scales, floats *minima) {
  floats weights[32];
  floats square = x[0] * x[0];
  // The reference starts from 0 and adds; 0 + a square is the square.
  for (int i = 1; i < 32; i++) square += x[i] * x[i];
  floats mean = __builtin_elementwise_sqrt(square / (floats)(32));
  for (int i = 0; i < 32; i++) weights[i] = mean + __builtin_elementwise_abs(x[i]);

  floats low = x[0], high = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (int i = 1; i < 32; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  low = low > (floats)(0) ? (floats)(0) : low;
  const ints flat = high == low;

  floats inverse = (floats)(15) / (high - low);
  floats scale = (floats)(1) / inverse, error = (floats)(0);
  for (int i = 0; i < 32; i++) {
    levels[i] = NAME(level)(inverse * (x[i] - low));
    floats difference = scale * NAME(as_floats)(levels[i]) + low - x[i];
    difference = difference * difference;
    error += weights[i] * difference;
  }

  floats trial[32];
  for (int step = 0; step <= 20; step++) {
    // Written as the reference computes it: -1 + 0.1·step + 15, each in float.
    float stretch = -1.0f + 0.1f * (float)step;
    stretch = stretch + 15.0f;
    inverse = (floats)(stretch) / (high - low);
    floats sum_l = (floats)(0), sum_l2 = (floats)(0), sum_xl = (floats)(0);
    for (int i = 0; i < 32; i++) {
      trial[i] = NAME(as_floats)(NAME(level)(inverse * (x[i] - low)));
      floats wl = weights[i] * trial[i];
      sum_l += wl;
      sum_l2 += wl * trial[i];
      sum_xl += wl * x[i];
    }
    floats determinant = sum_w * sum_l2 - sum_l * sum_l;
    floats new_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    floats new_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    ints above = new_low > (floats)(0);
    new_scale = above ? sum_xl / sum_l2 : new_scale;
    new_low = above ? (floats)(0) : new_low;
    floats new_error = (floats)(0);
    for (int i = 0; i < 32; i++) {
      floats difference = new_scale * trial[i] + new_low - x[i];
      difference = difference * difference;
      new_error += weights[i] * difference;
    }
    ints better = (determinant > (floats)(0)) & (new_error < error) & ~flat;
    if (!__builtin_reduce_or(better)) continue;
    error = better ? new_error : error;
    scale = better ? new_scale : scale;
    low = better ? new_low : low;
    for (int i = 0; i < 32; i++) levels[i] = better ? __builtin_convertvector(trial[i], ints) : levels[i];
  }
  *scales = flat ? (floats)(0) : scale;
  *minima = -low;
  for (int i = 0; i < 32; i++) levels[i] = flat ? (ints)(0) : levels[i];
}

/// Six-bit scales and minima of eight blocks; `steps` and `offsets` receive what the rounded values stand for.
INLINE void NAME(header)(const float *scales, const float *minima, uint8_t *block, float *steps, float *offsets) {
  float max_scale = 0, max_minimum = 0;
  for (int j = 0; j < 8; j++) {
    if (scales[j] > max_scale) max_scale = scales[j];
    if (minima[j] > max_minimum) max_minimum = minima[j];
  }
  float inverse_scale = max_scale > 0 ? 63.0f / max_scale : 0.0f, inverse_minimum = max_minimum > 0 ? 63.0f / max_minimum : 0.0f;
  uint8_t *packed = block + 4;
  for (int j = 0; j < 8; j++) {
    // To a byte before the limit: that is what the reference does to a negative scale.
    uint8_t s = (uint8_t)nearest(inverse_scale * scales[j]), m = (uint8_t)nearest(inverse_minimum * minima[j]);
    s = s < 63 ? s : 63;
    m = m < 63 ? m : 63;
    if (j < 4) {
      packed[j] = s;
      packed[j + 4] = m;
    } else {
      packed[j + 4] = (uint8_t)((s & 15) | (m & 15) << 4);
      packed[j - 4] |= (uint8_t)(s >> 4 << 6);
      packed[j] |= (uint8_t)(m >> 4 << 6);
    }
  }
  uint16_t d = scale_to_half(max_scale / 63.0f), minimum = scale_to_half(max_minimum / 63.0f);
  memcpy(block, &d, 2);
  memcpy(block + 2, &minimum, 2);
  for (size_t j = 0; j < 8; j++) {
    uint8_t s, m;
    q4_K_scale(packed, j, &s, &m);
    steps[j] = half_to_float(d) * s;
    offsets[j] = half_to_float(minimum) * m;
  }
}

/// Two super-blocks at a time; an odd last one has zeros for company.
static void NAME(q4_K)(const float *x, uint8_t *blocks, size_t count) {
  for (size_t b = 0; b < count; b += 2, x += 512, blocks += 2 * q4_K_bytes) {
    int supers = count - b < 2 ? 1 : 2;
    _Alignas(64) float lanes[32][16], scales[16], minima[16], steps[16], offsets[16];
    if (supers == 1) memset(lanes, 0, sizeof lanes);
    for (int j = 0; j < 8 * supers; j++) {
      for (int i = 0; i < 32; i++) lanes[i][j] = x[32 * j + i];
    }
    floats values[32], scale, low;
    ints levels[32];
    for (int i = 0; i < 32; i++) values[i] = *(const floats *)(const void *)lanes[i];
    NAME(fit)(values, levels, &scale, &low);
    *(floats *)(void *)scales = scale;
    *(floats *)(void *)minima = low;
    for (int s = 0; s < 2; s++) {
      uint8_t unused[q4_K_bytes];
      NAME(header)(scales + 8 * s, minima + 8 * s, s < supers ? blocks + s * q4_K_bytes : unused, steps + 8 * s, offsets + 8 * s);
    }
    floats step = *(const floats *)(const void *)steps, offset = *(const floats *)(const void *)offsets;
    ints kept = step == (floats)(0);
    for (int i = 0; i < 32; i++) {
      ints l = NAME(level)((values[i] + offset) / step);
      levels[i] = kept ? levels[i] : l;
    }
    for (int i = 0; i < 32; i++) {
      for (int s = 0; s < supers; s++) {
        for (int g = 0; g < 4; g++) {
          blocks[s * q4_K_bytes + 16 + 32 * g + i] = (uint8_t)(levels[i][8 * s + 2 * g] | levels[i][8 * s + 2 * g + 1] << 4);
        }
      }
    }
  }
}

#undef JOIN2
#undef JOIN
#undef NAME
#undef INLINE
#undef LEVEL
