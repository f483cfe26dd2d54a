// ldmatrix and mma.sync: the warp's last lane computes for all.
//
// Fragments as in the PTX ISA ("Matrix Fragments for mma.m16n8k16 / m16n8k8"), with g = lane/4 and t = lane%4:
//   bf16: word i of A holds row g + 8·(i%2), columns 2t + 8·(i/2) and +1; word i of B rows 2t + 8i and +1 of column g;
//   tf32: word i of A holds row g + 8·(i%2), column t + 4·(i/2); word i of B row t + 4i of column g;
//   D: element i is row g + 8·(i/2), column 2t + i%2.
#include "checks.h"
#include "faults.h"
#include "warp.h"

namespace simt {
typedef float Row __attribute__((vector_size(32)));
static const char matrixKind[] = "ldmatrix", bf16Kind[] = "mma (bf16)", tf32Kind[] = "mma (tf32)";

Words4 load_matrix(const void *row, bool transposed) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  check_shared(row, 16, 16, false);
  warp.pointer[me->lane] = row;
  warp.in[0][me->lane] = transposed;
  meet(w, ~0u, matrixKind, [](Warp &of, u32) {
    for (int lane = 0; lane < warpLanes; lane++)
      for (int i = 0; i < 4; i++) {
        int g = lane / 4, t = lane % 4;
        if (!of.in[0][lane]) {
          memcpy(&of.out[i][lane], (const char *)of.pointer[8 * i + g] + 4 * t, 4);
        } else {
          u16 low, high;
          memcpy(&low, (const char *)of.pointer[8 * i + 2 * t] + 2 * g, 2);
          memcpy(&high, (const char *)of.pointer[8 * i + 2 * t + 1] + 2 * g, 2);
          of.out[i][lane] = low | (u32)high << 16;
        }
      }
  });
  u32 lane = me->lane;
  return Words4{warp.out[0][lane], warp.out[1][lane], warp.out[2][lane], warp.out[3][lane]};
}

/// Operands of both shapes as plain matrices; B by rows of eight columns.
struct Tiles {
  alignas(32) float a[16][16];
  alignas(32) Row b[16];
};

static inline void multiply(Warp &of, const Tiles &tiles, int depth) {
  alignas(32) Row d[16];
  for (int lane = 0; lane < warpLanes; lane++)
    for (int i = 0; i < 4; i++) memcpy((float *)&d[lane / 4 + 8 * (i / 2)] + 2 * (lane % 4) + i % 2, &of.in[6 + i][lane], 4);
  for (int r = 0; r < 16; r += 4) {
    Row s0 = d[r], s1 = d[r + 1], s2 = d[r + 2], s3 = d[r + 3];
    for (int k = 0; k < depth; k++) {
      s0 += tiles.a[r][k] * tiles.b[k];
      s1 += tiles.a[r + 1][k] * tiles.b[k];
      s2 += tiles.a[r + 2][k] * tiles.b[k];
      s3 += tiles.a[r + 3][k] * tiles.b[k];
    }
    d[r] = s0;
    d[r + 1] = s1;
    d[r + 2] = s2;
    d[r + 3] = s3;
  }
  for (int lane = 0; lane < warpLanes; lane++)
    for (int i = 0; i < 4; i++) memcpy(&of.out[i][lane], (float *)&d[lane / 4 + 8 * (i / 2)] + 2 * (lane % 4) + i % 2, 4);
}

static float bf16_low(u32 word) { return __builtin_bit_cast(float, word << 16); }
static float bf16_high(u32 word) { return __builtin_bit_cast(float, word & 0xffff0000u); }
/// The device reads the upper 19 bits of the word.
static float tf32(u32 word) { return __builtin_bit_cast(float, word & 0xffffe000u); }

static Floats4 deposit(Floats4 d, Words4 a, u32 b0, u32 b1, const char *kind, void (*product)(Warp &, u32)) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  u32 lane = me->lane;
  Words4 sum = (Words4)d;
  for (int i = 0; i < 4; i++) {
    warp.in[i][lane] = a[i];
    warp.in[6 + i][lane] = sum[i];
  }
  warp.in[4][lane] = b0;
  warp.in[5][lane] = b1;
  meet(w, ~0u, kind, product);
  Words4 words{warp.out[0][lane], warp.out[1][lane], warp.out[2][lane], warp.out[3][lane]};
  return (Floats4)words;
}

Floats4 mma_bf16(Floats4 d, Words4 a, u32 b0, u32 b1) {
  return deposit(d, a, b0, b1, bf16Kind, [](Warp &of, u32) {
    Tiles tiles;
    for (int lane = 0; lane < warpLanes; lane++) {
      int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; i++) {
        u32 word = of.in[i][lane];
        tiles.a[g + 8 * (i % 2)][2 * t + 8 * (i / 2)] = bf16_low(word);
        tiles.a[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + 1] = bf16_high(word);
      }
      for (int i = 0; i < 2; i++) {
        ((float *)&tiles.b[2 * t + 8 * i])[g] = bf16_low(of.in[4 + i][lane]);
        ((float *)&tiles.b[2 * t + 8 * i + 1])[g] = bf16_high(of.in[4 + i][lane]);
      }
    }
    multiply(of, tiles, 16);
  });
}

Floats4 mma_tf32(Floats4 d, Words4 a, u32 b0, u32 b1) {
  return deposit(d, a, b0, b1, tf32Kind, [](Warp &of, u32) {
    Tiles tiles;
    for (int lane = 0; lane < warpLanes; lane++) {
      int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; i++) tiles.a[g + 8 * (i % 2)][t + 4 * (i / 2)] = tf32(of.in[i][lane]);
      for (int i = 0; i < 2; i++) ((float *)&tiles.b[t + 4 * i])[g] = tf32(of.in[4 + i][lane]);
    }
    multiply(of, tiles, 8);
  });
}
}  // namespace simt
