#include "hoof_crc32c.h"

#include <string.h>

enum { polynomial = 0x82f63b78 }; // reflected

// a·b modulo the polynomial, bits reflected: x^0 is the highest bit.
static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
  }
  return product;
}

// x^(8·count): what appending `count` zero bytes multiplies a sum by.
static uint32_t shift_by(uint64_t count) {
  uint32_t power = 1u << 31, square = 1u << 23;
  for (; count; count >>= 1) {
    if (count & 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

uint32_t hoof_crc32c_combine(uint32_t a, uint32_t b, uint64_t b_count) { return multiply(shift_by(b_count), a) ^ b; }

uint32_t hoof_crc32c_scalar(uint32_t crc, const void *bytes, size_t count) {
  // Sixteen steps of four bits: a table that needs no set-up and fits one cache line.
  static const uint32_t nibbles[16] = {
      0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
      0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
  };
  const uint8_t *p = bytes;
  crc = ~crc;
  for (size_t i = 0; i < count; i++) {
    crc ^= p[i];
    crc = crc >> 4 ^ nibbles[crc & 15];
    crc = crc >> 4 ^ nibbles[crc & 15];
  }
  return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

static inline uint64_t load(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
  return word;
}

// The instruction has a latency of three cycles and a throughput of one: three streams side by side hide it.
enum { stream = 16384 };

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  uint64_t a = ~crc;
  if (count >= 3 * stream) {
    const uint32_t one_stream = shift_by(stream);
    for (; count >= 3 * stream; count -= 3 * stream, p += 3 * stream) {
      uint64_t b = 0, c = 0;
      for (size_t i = 0; i < stream; i += 8) {
        a = _mm_crc32_u64(a, load(p + i));
        b = _mm_crc32_u64(b, load(p + stream + i));
        c = _mm_crc32_u64(c, load(p + 2 * stream + i));
      }
      a = multiply(one_stream, multiply(one_stream, (uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
    }
  }
  for (; count >= 8; count -= 8, p += 8) a = _mm_crc32_u64(a, load(p));
  uint32_t rest = (uint32_t)a;
  for (; count; count--, p++) rest = _mm_crc32_u8(rest, *p);
  return ~rest;
}
#endif

uint32_t hoof_crc32c(uint32_t crc, const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, bytes, count);
#endif
  return hoof_crc32c_scalar(crc, bytes, count);
}
