// What memory gives when it is only read
#ifndef HOOF_LEVEL
#include "hoof_stream.h"

#define HOOF_SELF "stream.c"
#include "levels.h"

HOOF_TABLE(read_pass);

uint32_t hoof_read_pass(enum hoof_simd simd, const void *memory, size_t bytes) { return read_pass_table[simd](memory, bytes); }

#else

// Four streams, as far apart as the memory allows: more pages are open and more prefetchers busy than with one.
static uint32_t KERNEL(read_pass)(const void *memory, size_t bytes) {
  size_t part = bytes / 4 / sizeof(float);
  const float *a = memory, *b = a + part, *c = b + part, *d = c + part;
  vu s0 = (vu)vset(0), s1 = s0, s2 = s0, s3 = s0;
  for (size_t i = 0; i < part; i += 16)
    for (size_t k = i; k < i + 16; k += W) {
      s0 ^= (vu)vload(a + k);
      s1 ^= (vu)vload(b + k);
      s2 ^= (vu)vload(c + k);
      s3 ^= (vu)vload(d + k);
    }
  return __builtin_reduce_xor((s0 ^ s1) ^ (s2 ^ s3));
}
#endif
