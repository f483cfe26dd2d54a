#include "hoof_finite.h"

#include <stdint.h>
#include <string.h>

// An exponent of all ones is NaN or infinity. Whole chunks are tested without a branch, so that the loop vectorises.
#define HOOF_FINITE(name, word, mask)                                                                                                      \
  int name(const void *values, size_t count) {                                                                                             \
    const uint8_t *p = values;                                                                                                             \
    while (count) {                                                                                                                        \
      size_t chunk = count < 4096 ? count : 4096;                                                                                          \
      word bad = 0;                                                                                                                        \
      for (size_t i = 0; i < chunk; i++) {                                                                                                 \
        word bits;                                                                                                                         \
        memcpy(&bits, p + i * sizeof bits, sizeof bits);                                                                                   \
        bad |= (word)((bits & (mask)) == (mask));                                                                                          \
      }                                                                                                                                    \
      if (bad) return 0;                                                                                                                   \
      count -= chunk;                                                                                                                      \
      p += chunk * sizeof(word);                                                                                                           \
    }                                                                                                                                      \
    return 1;                                                                                                                              \
  }

HOOF_FINITE(hoof_finite_f32, uint32_t, 0x7f800000u)
HOOF_FINITE(hoof_finite_f16, uint16_t, 0x7c00u)
HOOF_FINITE(hoof_finite_bf16, uint16_t, 0x7f80u)

int hoof_finite_blocks(const void *blocks, size_t count, size_t stride, size_t scales) {
  const uint8_t *p = blocks;
  for (size_t i = 0; i < count; i++)
    if (!hoof_finite_f16(p + i * stride, scales)) return 0;
  return 1;
}
