// AdamW. One pass over everything: 16 elements a thread in 16-byte packets; the update happens in `master` (f32) where there is one, and
// `parameter` is its copy, rounded to nearest even; without, `parameter` is rounded as asked for. The corrections by 1 - betaᵗ come from the
// host in double precision; here all is f32.
#include "adamw.h"
#include "vector.h"

template <class T>
HOOF_INLINE void adamw(T *parameter, const float *gradient, float *first, float *second, float *master, i64 count, AdamW update,
                       Rounding rounding) {
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
    for (int i = 0; i < tile.count; i++) {
      float scaled = update.gradientScale * g[i];
      m[i] = fmaf(update.beta1, m[i], update.rest1 * scaled);
      v[i] = fmaf(update.beta2, v[i], update.rest2 * (scaled * scaled));
      w[i] = update.moved(w[i], m[i], v[i]);
    }
    tile.store(first, m);
    tile.store(second, v);
    if (master) tile.store(master, w);
    else {
#pragma unroll
      for (int i = 0; i < tile.count; i++) w[i] = rounding.rounded<T>(w[i], tile.index(i));
    }
    tile.store(parameter, w);
  };
  if (packed && (left >= lanes * 8 || left % 4 == 0)) {
    body(Tile<2, 4>{start, left, lane, lanes});
  } else {
#pragma unroll 1
    for (int done = 0; done < lanes * 8 && done < left; done += 4 * lanes) body(Tile<4, 1>{start + done, left - done, lane, lanes});
  }
}

#define ADAMW(name, T)                                                                                                   \
  HOOF_KERNEL __launch_bounds__(256) hoof_adamw_##name(T *parameter, const float *gradient, float *first, float *second, \
                                                       float *master, i64 count, HOOF_ADAMW_PARAMETERS) {                \
    adamw(parameter, gradient, first, second, master, count, HOOF_ADAMW_ARGUMENTS);                                      \
  }                                                                                                                      \
  HOOF_EXPORT(hoof_adamw_##name)
ADAMW(f32, float)
ADAMW(f16, f16)
ADAMW(bf16, bf16)
