// fill, add, multiply, addScaled, sigmoid, dropout. Tensors are one long run of elements; a block of 256 threads takes a tile of it, each thread
// 16 elements in 16-byte packets, all loads before the first store, so that `out` may be an input. Every element is read and written once.
// With a single row as b, the column of an element follows from one division a block and one a thread; that row stays in the first cache.
// Arithmetic is f32, rounded once on store.
#include "counter_hash.h"
#include "vector.h"

struct Add {
  HOOF_INLINE float operator()(float a, float b) const { return a + b; }
};
struct Multiply {
  HOOF_INLINE float operator()(float a, float b) const { return a * b; }
};

template <class T> HOOF_INLINE void fill(T *out, float value, i64 count) {
  constexpr int width = packet_width<T>;
  over_elements<width>(count, takes_packets<width>(out), [=](auto tile) {
    float x[tile.count];
#pragma unroll
    for (int i = 0; i < tile.count; i++) x[i] = value;
    tile.store(out, x);
  });
}

template <class Op, class A, class B, class Out> HOOF_INLINE void combine(const A *a, const B *b, Out *out, i64 count) {
  constexpr int width = packet_width<A, B>;
  bool packed = takes_packets<width>(a) && takes_packets<width>(b) && takes_packets<width>(out);
  over_elements<width>(count, packed, [=](auto tile) {
    float x[tile.count], y[tile.count];
    tile.load(x, a);
    tile.load(y, b);
#pragma unroll
    for (int i = 0; i < tile.count; i++) x[i] = Op{}(x[i], y[i]);
    tile.store(out, x);
  });
}

/// b is one row of `columns` elements.
template <class Op, class A, class B, class Out> HOOF_INLINE void combine_row(const A *a, const B *b, Out *out, i64 count, u32 columns) {
  constexpr int width = packet_width<A, B>;
  bool packed = takes_packets<width>(a) && takes_packets<width>(b) && takes_packets<width>(out) && columns % width == 0;
  over_elements<width>(count, packed, [=](auto tile) {
    float x[tile.count], y[tile.count];
    tile.load(x, a);
    // The lane's first column, and how far a step of all lanes moves it.
    u32 advance = (u32)(tile.lanes * tile.width) % columns;
    u32 column = ((u32)((u64)tile.start % columns) + (u32)tile.position(0) % columns) % columns;
#pragma unroll
    for (int s = 0; s < tile.steps; s++) {
      load_packet<tile.width>(y + s * tile.width, b + column);
      column += advance;
      if (column >= columns) column -= columns;
    }
#pragma unroll
    for (int i = 0; i < tile.count; i++) x[i] = Op{}(x[i], y[i]);
    tile.store(out, x);
  });
}

template <class X, class Y> HOOF_INLINE void add_scaled(const X *x, float alpha, Y *y, i64 count) {
  constexpr int width = packet_width<X, Y>;
  over_elements<width>(count, takes_packets<width>(x) && takes_packets<width>(y), [=](auto tile) {
    float a[tile.count], b[tile.count];
    tile.load(a, x);
    tile.load(b, y);
#pragma unroll
    for (int i = 0; i < tile.count; i++) b[i] = fmaf(alpha, a[i], b[i]);
    tile.store(y, b);
  });
}

template <class T> HOOF_INLINE void sigmoid(const T *x, T *out, i64 count) {
  constexpr int width = packet_width<T>;
  over_elements<width>(count, takes_packets<width>(x) && takes_packets<width>(out), [=](auto tile) {
    float a[tile.count];
    tile.load(a, x);
#pragma unroll
    for (int i = 0; i < tile.count; i++) {
      // From e^-|x|: nothing overflows, and small results keep their digits.
      float e = expf(-fabsf(a[i]));
      a[i] = __fdividef(a[i] < 0 ? e : 1.0f, 1.0f + e);
    }
    tile.store(out, a);
  });
}

template <class T> HOOF_INLINE void dropout(const T *x, T *out, i64 count, CounterHash hash, u32 threshold, float scale) {
  constexpr int width = packet_width<T>;
  over_elements<width>(count, takes_packets<width>(x) && takes_packets<width>(out), [=](auto tile) {
    float a[tile.count];
    tile.load(a, x);
#pragma unroll
    for (int i = 0; i < tile.count; i++) a[i] = hash(tile.index(i)) >> 8 < threshold ? a[i] * scale : 0.0f;
    tile.store(out, a);
  });
}

#define FILL(name, T)                                                                                              \
  HOOF_KERNEL __launch_bounds__(256) hoof_fill_##name(T *out, float value, i64 count) { fill(out, value, count); } \
  HOOF_EXPORT(hoof_fill_##name)
FILL(f32, float)
FILL(f16, f16)
FILL(bf16, bf16)

#define COMBINE(op, Op, types, A, B, Out)                                                                                \
  HOOF_KERNEL __launch_bounds__(256) hoof_##op##_##types(const A *a, const B *b, Out *out, i64 count) {                  \
    combine<Op>(a, b, out, count);                                                                                       \
  }                                                                                                                      \
  HOOF_EXPORT(hoof_##op##_##types)                                                                                       \
  HOOF_KERNEL __launch_bounds__(256) hoof_##op##_row_##types(const A *a, const B *b, Out *out, i64 count, u32 columns) { \
    combine_row<Op>(a, b, out, count, columns);                                                                          \
  }                                                                                                                      \
  HOOF_EXPORT(hoof_##op##_row_##types)
COMBINE(add, Add, f32_f32_f32, float, float, float)
COMBINE(add, Add, bf16_bf16_bf16, bf16, bf16, bf16)
COMBINE(add, Add, bf16_f32_bf16, bf16, float, bf16)
COMBINE(add, Add, f32_bf16_f32, float, bf16, float)
COMBINE(multiply, Multiply, f32_f32_f32, float, float, float)
COMBINE(multiply, Multiply, bf16_bf16_bf16, bf16, bf16, bf16)
COMBINE(multiply, Multiply, bf16_f32_bf16, bf16, float, bf16)

#define ADD_SCALED(types, X, Y)                                                                          \
  HOOF_KERNEL __launch_bounds__(256) hoof_add_scaled_##types(const X *x, float alpha, Y *y, i64 count) { \
    add_scaled(x, alpha, y, count);                                                                      \
  }                                                                                                      \
  HOOF_EXPORT(hoof_add_scaled_##types)
ADD_SCALED(f32_f32, float, float)
ADD_SCALED(bf16_bf16, bf16, bf16)
ADD_SCALED(bf16_f32, bf16, float)

#define SIGMOID(name, T)                                                                                            \
  HOOF_KERNEL __launch_bounds__(256) hoof_sigmoid_##name(const T *x, T *out, i64 count) { sigmoid(x, out, count); } \
  HOOF_EXPORT(hoof_sigmoid_##name)
SIGMOID(f32, float)
SIGMOID(bf16, bf16)

#define DROPOUT(name, T)                                                                                         \
  HOOF_KERNEL __launch_bounds__(256) hoof_dropout_##name(const T *x, T *out, i64 count, u32 first, u32 second,   \
                                                         u32 threshold, float scale) {                          \
    dropout(x, out, count, CounterHash{first, second}, threshold, scale);                                        \
  }                                                                                                              \
  HOOF_EXPORT(hoof_dropout_##name)
DROPOUT(f32, float)
DROPOUT(bf16, bf16)
