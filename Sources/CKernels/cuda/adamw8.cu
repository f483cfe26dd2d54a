// AdamW with moments of 8 bits (arXiv 2110.02861; TensorCore's BlockMoment and DynamicCode): a warp takes a block of 256 elements, each lane
// two groups of four, whose codes are one word. One pass over memory: the greatest magnitude of the new moments goes around the warp, and
// the codes are made from what the registers still hold. What a byte means is worked out once per block of threads, into shared memory.
// Backends have to find the same codes: up to there each product and sum is rounded by itself (__fmul_rn), none fused.
#include "adamw.h"
#include "vector.h"

constexpr int block_elements = 256, block_words = block_elements / 4;

/// Of bin j of n in a decade, with bin = n + j and n the power of two in it.
HOOF_INLINE float bin_middle(int bin, int decade) {
  int n = 1 << (31 - __clz(bin));
  // Both are exact: n is a power of two.
  float share = ((float)(bin - n) + 0.5f) / (float)n;
  float tens = decade == 0   ? 1e-6f
               : decade == 1 ? 1e-5f
               : decade == 2 ? 1e-4f
               : decade == 3 ? 1e-3f
               : decade == 4 ? 1e-2f
               : decade == 5 ? 1e-1f
                             : 1.0f;
  return __fmul_rn(__fadd_rn(0.1f, __fmul_rn(0.9f, share)), tens);
}
HOOF_INLINE float signed_value(int byte) {
  int k = byte < 127 ? 127 - byte : byte - 127;
  float size = k == 0 ? 0.0f : k == 128 ? 1.0f : bin_middle(k, 31 - __clz(k));
  return byte < 127 ? -size : size;
}
HOOF_INLINE float unsigned_value(int byte) {
  return byte == 0 ? 0.0f : byte == 255 ? 1.0f : bin_middle(byte + 1, 30 - __clz(byte + 1));
}

/// n + j of the bin of x >= 0, with n bins in the lowest decade; NaN lands in some bin.
HOOF_INLINE int bin_of(float x, int n) {
  float scale = 1e6f;
  if (x >= 1e-6f) n *= 2, scale = 1e5f;
  if (x >= 1e-5f) n *= 2, scale = 1e4f;
  if (x >= 1e-4f) n *= 2, scale = 1e3f;
  if (x >= 1e-3f) n *= 2, scale = 1e2f;
  if (x >= 1e-2f) n *= 2, scale = 10.0f;
  if (x >= 1e-1f) n *= 2, scale = 1.0f;
  float place = __fmul_rn(__fsub_rn(__fmul_rn(x, scale), 0.1f), __fmul_rn((float)n, 1.11111116f));
  float last = (float)(n - 1);
  place = place > 0.0f ? place : 0.0f;
  return n + (int)(place < last ? place : last);
}
HOOF_INLINE u32 signed_code(float x) {
  float size = fabsf(x);
  int k = size < 1e-7f ? 0 : size >= 1.0f ? 128 : bin_of(size, 1);
  // 1 has no negative counterpart.
  return (u32)(x < 0.0f ? 127 - (k < 127 ? k : 127) : 127 + k);
}
HOOF_INLINE u32 unsigned_code(float x) {
  if (x < 1e-7f) return x > 0.0f ? 1 : 0;
  return (u32)(x >= 1.0f ? 255 : bin_of(x, 2) - 1);
}

/// Four neighbours of which `left` exist; the others are 0.
template <class T> HOOF_INLINE void load_four(float *x, const T *p, i64 left, bool packed) {
  if (packed && left >= 4) {
    load_packet<4>(x, p);
  } else {
#pragma unroll
    for (int k = 0; k < 4; k++) x[k] = k < left ? to_float(p[k]) : 0.0f;
  }
}
template <class T> HOOF_INLINE void store_four(T *p, const float *x, i64 left, bool packed) {
  if (packed && left >= 4) {
    store_packet<4>(p, x);
  } else {
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (k < left) p[k] = from_float<T>(x[k]);
  }
}

template <class T>
HOOF_INLINE void adamw8(T *parameter, const float *gradient, u32 *first, float *first_scales, u32 *second, float *second_scales,
                        float *master, i64 count, AdamW update, Rounding rounding) {
  HOOF_SHARED(float, signed_values, 256);
  HOOF_SHARED(float, unsigned_values, 256);
  signed_values[threadIdx.x] = signed_value(threadIdx.x);
  unsigned_values[threadIdx.x] = unsigned_value(threadIdx.x);
  __syncthreads();

  int lane = threadIdx.x % 32;
  i64 block = (i64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (block * block_elements >= count) return;
  bool packed = takes_packets<4>(parameter) && takes_packets<4>(gradient) && takes_packets<4>(master);
  u32 *first_words = first + block * block_words, *second_words = second + block * block_words;
  float first_scale = first_scales[block], second_scale = second_scales[block];

  float w[8], g[8], m[8], v[8];
#pragma unroll
  for (int s = 0; s < 2; s++) {
    i64 at = block * block_elements + s * 128 + lane * 4;
    if (master) load_four(w + 4 * s, master + at, count - at, packed);
    else load_four(w + 4 * s, parameter + at, count - at, packed);
    load_four(g + 4 * s, gradient + at, count - at, packed);
    u32 first_word = first_words[s * 32 + lane], second_word = second_words[s * 32 + lane];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      // What is not there has moments of 0, and so has its code.
      bool exists = at + k < count;
      m[4 * s + k] = exists ? __fmul_rn(signed_values[first_word >> 8 * k & 255], first_scale) : 0.0f;
      v[4 * s + k] = exists ? __fmul_rn(unsigned_values[second_word >> 8 * k & 255], second_scale) : 0.0f;
    }
  }
  float m_most = 0, v_most = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float scaled = __fmul_rn(g[i], update.gradientScale);
    m[i] = __fadd_rn(__fmul_rn(m[i], update.beta1), __fmul_rn(scaled, update.rest1));
    v[i] = __fadd_rn(__fmul_rn(v[i], update.beta2), __fmul_rn(__fmul_rn(scaled, scaled), update.rest2));
    w[i] = update.moved(w[i], m[i], v[i]);
    m_most = fmaxf(m_most, fabsf(m[i]));
    v_most = fmaxf(v_most, v[i]);
  }
  m_most = warp_max(m_most);
  v_most = warp_max(v_most);
  if (lane == 0) first_scales[block] = m_most, second_scales[block] = v_most;
  // A block of zeros: 0 / 1.
  if (m_most == 0) m_most = 1;
  if (v_most == 0) v_most = 1;
#pragma unroll
  for (int s = 0; s < 2; s++) {
    i64 at = block * block_elements + s * 128 + lane * 4;
    u32 first_word = 0, second_word = 0;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      first_word |= signed_code(__fdiv_rn(m[4 * s + k], m_most)) << 8 * k;
      second_word |= unsigned_code(__fdiv_rn(v[4 * s + k], v_most)) << 8 * k;
    }
    first_words[s * 32 + lane] = first_word;
    second_words[s * 32 + lane] = second_word;
    if (master) {
      store_four(master + at, w + 4 * s, count - at, packed);
    } else {
#pragma unroll
      for (int k = 0; k < 4; k++) w[4 * s + k] = rounding.rounded<T>(w[4 * s + k], at + k);
    }
    store_four(parameter + at, w + 4 * s, count - at, packed);
  }
}

#define ADAMW8(name, T)                                                                                               \
  HOOF_KERNEL __launch_bounds__(256)                                                                                  \
      hoof_adamw8_##name(T *parameter, const float *gradient, u32 *first, float *first_scales, u32 *second,           \
                         float *second_scales, float *master, i64 count, HOOF_ADAMW_PARAMETERS) {                     \
    adamw8(parameter, gradient, first, first_scales, second, second_scales, master, count, HOOF_ADAMW_ARGUMENTS);     \
  }                                                                                                                   \
  HOOF_EXPORT(hoof_adamw8_##name)
ADAMW8(f32, float)
ADAMW8(f16, f16)
ADAMW8(bf16, bf16)
