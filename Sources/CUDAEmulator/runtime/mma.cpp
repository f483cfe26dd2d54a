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
typedef float Row __attribute__((vector_size(32), may_alias));
static const char matrixKind[] = "ldmatrix", bf16Kind[] = "mma (bf16)", tf32Kind[] = "mma (tf32)";

static inline void require_whole(const Warp &warp, const char *kind) {
  if (warp.lanes != ~0u) fail(launchFailed, "%s in a warp of less than 32 threads", kind);
}

Words4 load_matrix(const void *row, bool transposed) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  require_whole(warp, matrixKind);
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

typedef u32 Words8 __attribute__((vector_size(32)));
typedef u16 Halves8 __attribute__((vector_size(16), may_alias));
typedef float Quarter __attribute__((vector_size(16), may_alias));

/// A by rows, B by rows of eight columns, as floats.
struct Tiles {
  alignas(32) float a[16][16];
  Row b[16];
};

/// One register of the lanes 4g + t: of B, column g.
static inline Words8 every_fourth(const u32 *word, int t) {
  return Words8{word[t], word[4 + t], word[8 + t], word[12 + t], word[16 + t], word[20 + t], word[24 + t], word[28 + t]};
}

static inline void multiply(Warp &of, const Tiles &tiles, int depth) {
  for (int r = 0; r < 16; r += 4) {
    // Row r of D: elements 2t and 2t + 1 lie in two registers of lanes 4·(r%8) + t.
    int registers = 6 + r / 8 * 2, lane = r % 8 * 4;
    Row s[4];
    for (int i = 0; i < 4; i++) {
      Quarter even = *(const Quarter *)&of.in[registers][lane + 4 * i], odd = *(const Quarter *)&of.in[registers + 1][lane + 4 * i];
      s[i] = __builtin_shufflevector(even, odd, 0, 4, 1, 5, 2, 6, 3, 7);
    }
    for (int k = 0; k < depth; k++)
      for (int i = 0; i < 4; i++) s[i] += tiles.a[r + i][k] * tiles.b[k];
    for (int i = 0; i < 4; i++) {
      *(Quarter *)&of.out[registers - 6][lane + 4 * i] = __builtin_shufflevector(s[i], s[i], 0, 2, 4, 6);
      *(Quarter *)&of.out[registers - 5][lane + 4 * i] = __builtin_shufflevector(s[i], s[i], 1, 3, 5, 7);
    }
  }
}

static inline Row as_floats(Words8 bits) { return (Row)bits; }

static Floats4 deposit(Floats4 d, Words4 a, u32 b0, u32 b1, const char *kind, void (*product)(Warp &, u32)) {
  Worker *w = worker;
  Thread *me = w->current;
  Warp &warp = *me->warp;
  u32 lane = me->lane;
  require_whole(warp, kind);
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
    for (int g = 0; g < 8; g++)
      for (int i = 0; i < 4; i++) {
        // Lanes 4g … 4g + 3 hold eight neighbouring columns.
        Halves8 bits = *(const Halves8 *)&of.in[i][4 * g];
        *(Row *)&tiles.a[g + 8 * (i % 2)][8 * (i / 2)] = as_floats(__builtin_convertvector(bits, Words8) << 16);
      }
    for (int i = 0; i < 2; i++)
      for (int t = 0; t < 4; t++) {
        Words8 words = every_fourth(of.in[4 + i], t);
        tiles.b[2 * t + 8 * i] = as_floats(words << 16);
        tiles.b[2 * t + 8 * i + 1] = as_floats(words & 0xffff0000u);
      }
    multiply(of, tiles, 16);
  });
}

Floats4 mma_tf32(Floats4 d, Words4 a, u32 b0, u32 b1) {
  return deposit(d, a, b0, b1, tf32Kind, [](Warp &of, u32) {
    // The device reads the upper 19 bits of a word.
    Tiles tiles;
    for (int g = 0; g < 8; g++)
      for (int i = 0; i < 4; i++)
        *(Words4 *)&tiles.a[g + 8 * (i % 2)][4 * (i / 2)] = *(const Words4 *)&of.in[i][4 * g] & 0xffffe000u;
    for (int i = 0; i < 2; i++)
      for (int t = 0; t < 4; t++) tiles.b[t + 4 * i] = as_floats(every_fourth(of.in[4 + i], t) & 0xffffe000u);
    multiply(of, tiles, 8);
  });
}
}  // namespace simt
