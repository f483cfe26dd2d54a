// The vector vocabulary of one level: 16 lanes with AVX-512, 8 with AVX2, 4 of the compiler's portable vectors otherwise.
// Included once per level (see levels.h); names carry the level, so that no code of one leaks into another.
#define vf KERNEL(vf)
#define vu KERNEL(vu)
#define vload KERNEL(vload)
#define vstore KERNEL(vstore)
#define vload_n KERNEL(vload_n)
#define vstore_n KERNEL(vstore_n)
#define vset KERNEL(vset)
#define vfma KERNEL(vfma)
#define vmax KERNEL(vmax)
#define vmin KERNEL(vmin)
#define vselect KERNEL(vselect)
#define vabs KERNEL(vabs)
#define vsqrt KERNEL(vsqrt)
#define vsum KERNEL(vsum)
#define vhmax KERNEL(vhmax)
#define vlane KERNEL(vlane)
#define vbelow KERNEL(vbelow)
#define vexp KERNEL(vexp)
#define vexp_soft KERNEL(vexp_soft)
#define vsigmoid KERNEL(vsigmoid)
#undef W
#undef LANE
#define LANE static inline __attribute__((always_inline, unused))

#if HOOF_LEVEL == 0
#define W 4
#elif HOOF_LEVEL == 1
#define W 8
#else
#define W 16
#endif

typedef float vf __attribute__((ext_vector_type(W)));
typedef uint32_t vu __attribute__((ext_vector_type(W)));

LANE vf vset(float x) { return (vf)x; }

LANE vf vload(const float *p) {
  vf x;
  memcpy(&x, p, sizeof x);
  return x;
}

LANE void vstore(float *p, vf x) { memcpy(p, &x, sizeof x); }

/// The first n < W floats at p; the other lanes are `fill`, their memory is not touched.
LANE vf vload_n(const float *p, size_t n, float fill) {
#if HOOF_LEVEL == 2
  return (vf)_mm512_mask_loadu_ps((__m512)vset(fill), (__mmask16)((1u << n) - 1), p);
#else
  vf x = vset(fill);
  for (size_t i = 0; i < n; i++) x[i] = p[i];
  return x;
#endif
}

LANE void vstore_n(float *p, vf x, size_t n) {
#if HOOF_LEVEL == 2
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#else
  for (size_t i = 0; i < n; i++) p[i] = x[i];
#endif
}

/// a·b + c; fused wherever the processor can.
LANE vf vfma(vf a, vf b, vf c) {
#if HOOF_LEVEL > 0 || defined(__ARM_FEATURE_FMA)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

LANE vf vselect(vu mask, vf a, vf b) { return (vf)((mask & (vu)a) | (~mask & (vu)b)); }

/// a > b ? a : b, so a NaN in b is passed on and one in a is dropped.
LANE vf vmax(vf a, vf b) {
#if HOOF_LEVEL == 2
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif HOOF_LEVEL == 1
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return vselect((vu)(a > b), a, b);
#endif
}

/// a < b ? a : b
LANE vf vmin(vf a, vf b) {
#if HOOF_LEVEL == 2
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif HOOF_LEVEL == 1
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return vselect((vu)(a < b), a, b);
#endif
}

LANE vf vabs(vf x) { return (vf)((vu)x & 0x7fffffffu); }

LANE vf vsqrt(vf x) { return __builtin_elementwise_sqrt(x); }

LANE float vsum(vf x) {
#if HOOF_LEVEL == 2
  return _mm512_reduce_add_ps((__m512)x);
#else
#if HOOF_LEVEL == 1
  typedef float half __attribute__((ext_vector_type(4)));
  half y = __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
#else
  vf y = x;
#endif
  return (y[0] + y[2]) + (y[1] + y[3]);
#endif
}

/// The largest lane; NaN lanes may be dropped.
LANE float vhmax(vf x) {
#if HOOF_LEVEL == 2
  return _mm512_reduce_max_ps((__m512)x);
#else
  float m = x[0];
  for (int i = 1; i < W; i++) m = x[i] > m ? x[i] : m;
  return m;
#endif
}

/// The number of each lane.
LANE vu vlane(void) {
#if HOOF_LEVEL == 2
  return (vu){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif HOOF_LEVEL == 1
  return (vu){0, 1, 2, 3, 4, 5, 6, 7};
#else
  return (vu){0, 1, 2, 3};
#endif
}

/// All ones in the lanes before n.
LANE vu vbelow(size_t n) { return (vu)(vlane() < (vu)(uint32_t)(n < W ? n : W)); }

/// e^x within 1 ulp or so over the whole range: -inf gives 0, large x gives inf, NaN stays. x = n·ln 2 + r, |r| <= ln 2 / 2, a polynomial
/// for e^r (Cephes' expf) and 2^n by exponent bits, in two factors because one cannot reach the subnormals.
LANE vf vexp(vf x) {
  x = vmin(vset(89.0f), vmax(vset(-104.0f), x));
  const float round = 12582912.0f;  // 1.5·2^23: adding it leaves the nearest integer in the low bits
  vf shifted = vfma(x, vset(1.44269504088896341f), vset(round));
  vf n = shifted - round;
  vf r = vfma(n, vset(-0.693359375f), x);
  r = vfma(n, vset(2.12194440e-4f), r);
  vf y = vset(1.9875691500e-4f);
  y = vfma(y, r, vset(1.3981999507e-3f));
  y = vfma(y, r, vset(8.3334519073e-3f));
  y = vfma(y, r, vset(4.1665795894e-2f));
  y = vfma(y, r, vset(1.6666665459e-1f));
  y = vfma(y, r, vset(5.0000001201e-1f));
  y = vfma(y, r * r, r) + 1.0f;
#if HOOF_LEVEL == 2
  return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
  typedef int32_t vi __attribute__((ext_vector_type(W)));
  vi whole = (vi)((vu)shifted - 0x4b400000u);
  vi half = whole >> 1;
  vf a = (vf)(((vu)half + 127u) << 23), b = (vf)(((vu)whole - (vu)half + 127u) << 23);
  return y * a * b;
#endif
}

/// e^x for softmax weights, x <= 80: as vexp in fewer steps. Results below the smallest normal number are 0; the error grows with -x, where
/// it no longer matters (1.4 ulp at -20, 4.5 ulp at -86). +inf gives NaN.
LANE vf vexp_soft(vf x) {
#if HOOF_LEVEL == 2
  // 2^t = 2^floor(t) · 2^f: the fraction costs one instruction and so does the power, with every special case right by itself. t rounds
  // once, an error of |x|·2^-24. The polynomial has least greatest relative error, 2e-9, with the first term exact.
  vf t = x * 1.44269504088896341f, f = (vf)_mm512_reduce_ps((__m512)t, 1);
  vf y = vset(2.1612919147e-4f);
  y = vfma(y, f, vset(1.2467845340e-3f));
  y = vfma(y, f, vset(9.6754516742e-3f));
  y = vfma(y, f, vset(5.5485280572e-2f));
  y = vfma(y, f, vset(2.4022930556e-1f));
  y = vfma(y, f, vset(6.9314704444e-1f));
  y = vfma(y, f, vset(1.0f));
  return (vf)_mm512_scalef_ps((__m512)y, (__m512)t);
#else
  // As in vexp, with the exponent's bias added, so that the low bits shift straight into a float. 2^n is multiplied in, not added to the
  // bits of y, because that would turn some NaNs into numbers.
  const float round = 12582912.0f + 127.0f;
  vf shifted = vfma(x, vset(1.44269504088896341f), vset(round));
  vf n = shifted - round;
#if HOOF_LEVEL > 0
  vf r = vfma(n, vset(-0.693147180559945309f), x);
#else
  vf r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
#endif
  // Least greatest relative error, 3e-9, with the first two terms exact.
  vf y = vset(1.3814594131e-3f);
  y = vfma(y, r, vset(8.3687193692e-3f));
  y = vfma(y, r, vset(4.1668388993e-2f));
  y = vfma(y, r, vset(1.6666521132e-1f));
  y = vfma(y, r, vset(4.9999994040e-1f));
  y = vfma(y, r, vset(1.0f));
  y = vfma(y, r, vset(1.0f));
  return vselect((vu)(x < vset(-87.0f)), vset(0), y * (vf)((vu)shifted << 23));
#endif
}

/// 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results keep their digits.
LANE vf vsigmoid(vf x) {
  vf e = vexp((vf)((vu)x | 0x80000000u));
  return vselect((vu)(x < vset(0)), e, vset(1)) / (e + 1.0f);
}
