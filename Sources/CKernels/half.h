#ifndef HOOF_HALF_H
#define HOOF_HALF_H

#include <stdint.h>
#include <string.h>

// Conversions of single values in plain C: the meaning of the vector paths, and what runs where no F16C is.

static inline float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

static inline uint16_t load_u16(const void *p) {
  uint16_t value;
  memcpy(&value, p, 2);
  return value;
}

static inline float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  if (exponent == 31) return bits_to_float(sign | 0x7f800000 | (mantissa ? 0x400000 | mantissa << 13 : 0));
  if (exponent) return bits_to_float(sign | (exponent + 112) << 23 | mantissa << 13);
  float magnitude = (float)mantissa * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

static inline uint16_t float_to_half(float value) {
  uint32_t bits = float_to_bits(value);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00 | (uint16_t)(bits >> 13 & 0x3ff);
  if (bits >= 0x477ff000) return sign | 0x7c00;  // 65520 and above round to infinity
  if (bits < 0x38800000) {
    // Subnormal halves are multiples of 2^-24: adding 0.5 lines their last bit up with a float's last bit, and rounds.
    return sign | (uint16_t)(float_to_bits(bits_to_float(bits) + 0.5f) - 0x3f000000);
  }
  return sign | (uint16_t)((bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13);
}

static inline uint16_t float_to_bfloat(float value) {
  uint32_t bits = float_to_bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float bfloat_to_float(uint16_t b) { return bits_to_float((uint32_t)b << 16); }

// q4_K: scale and minimum of sub-block `j`, six bits each, in the 12 bytes of a super-block.
static inline void q4_K_scale(const uint8_t *packed, size_t j, uint8_t *scale, uint8_t *minimum) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *minimum = packed[j + 4] & 63;
  } else {
    *scale = (uint8_t)((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4);
    *minimum = (uint8_t)(packed[j + 4] >> 4 | (packed[j] >> 6) << 4);
  }
}

enum { q8_0_bytes = 34, q4_K_bytes = 144 };

#endif
