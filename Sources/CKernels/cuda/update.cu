// AdamW. One pass over everything: 16 elements a thread in 16-byte packets; the update happens in `master` (f32) where there is one, and
// `parameter` is its copy, rounded to nearest even. The corrections by 1 - betaᵗ come from the host in double precision; here all is f32.
#include "vector.h"

struct AdamW {
  float rate, beta1, beta2, rest1, rest2, epsilon, decay, gradientScale, correction1, correction2;

  HOOF_INLINE float operator()(float w, float gradient, float &first, float &second) const {
    float g = gradientScale * gradient;
    first = fmaf(beta1, first, rest1 * g);
    second = fmaf(beta2, second, rest2 * (g * g));
    float step = first * correction1 / (sqrtf(second * correction2) + epsilon);
    return fmaf(-rate, fmaf(decay, w, step), w);
  }
};

template <class T>
HOOF_INLINE void adamw(T *parameter, const float *gradient, float *first, float *second, float *master, i64 count, AdamW update) {
  bool packed = takes_packets<4>(parameter) && takes_packets<4>(gradient) && takes_packets<4>(first) && takes_packets<4>(second) &&
                takes_packets<4>(master);
  // 8 elements a thread: four arrays of 16 would take all registers.
  int lane = threadIdx.x, lanes = blockDim.x;
  i64 start = (i64)blockIdx.x * (lanes * 8), left = count - start;
  auto body = [=](auto tile) {
    float w[tile.count], g[tile.count], m[tile.count], v[tile.count];
    if (master) tile.load(w, master);
    else tile.load(w, parameter);
    tile.load(g, gradient);
    tile.load(m, first);
    tile.load(v, second);
#pragma unroll
    for (int i = 0; i < tile.count; i++) w[i] = update(w[i], g[i], m[i], v[i]);
    tile.store(first, m);
    tile.store(second, v);
    if (master) tile.store(master, w);
    tile.store(parameter, w);
  };
  if (packed && (left >= lanes * 8 || left % 4 == 0)) {
    body(Tile<2, 4>{start, left, lane, lanes});
  } else {
#pragma unroll 1
    for (int done = 0; done < lanes * 8 && done < left; done += 4 * lanes) body(Tile<4, 1>{start + done, left - done, lane, lanes});
  }
}

#define ADAMW(name, T)                                                                                                                \
  HOOF_KERNEL __launch_bounds__(256) hoof_adamw_##name(                                                                               \
      T *parameter, const float *gradient, float *first, float *second, float *master, i64 count, float rate, float beta1,            \
      float beta2, float rest1, float rest2, float epsilon, float decay, float gradientScale, float correction1, float correction2) { \
    adamw(parameter, gradient, first, second, master, count,                                                                          \
          AdamW{rate, beta1, beta2, rest1, rest2, epsilon, decay, gradientScale, correction1, correction2});                          \
  }                                                                                                                                   \
  HOOF_EXPORT(hoof_adamw_##name)
ADAMW(f32, float)
ADAMW(f16, f16)
ADAMW(bf16, bf16)
