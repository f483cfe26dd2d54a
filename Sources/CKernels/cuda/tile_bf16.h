// A tile of a matrix product on the tensor cores (mma.sync, sm_80): bf16 operands, f32 sums in registers. What the products of matmul.cu
// and quantized.cu are made of, and what a kernel with an epilogue of its own (the fused LM head) starts from.
//
// Thread mapping: warps_m × warps_n warps, each with (m / warps_m) × (n / warps_n) of the tile as fragments of 16 × 8. Operands pass
// through a ring of `stages` slots in shared memory: while slot i is multiplied, cp.async fills slot i + stages - 1. Fragments are
// double-buffered in registers, and the barrier stands before the last quarter or half of a slot's products, so that the tensor cores
// have work while warps wait. An operand lies in shared memory as it lies in global memory: rows along k (a of [M, K], b of [N, K]) are
// read by ldmatrix, rows across k (a of [K, M], b of [K, N]) by ldmatrix.trans. 16-byte pieces of a row are exchanged by a XOR with the
// row, so that neither the copies nor ldmatrix meet a bank twice.
// Traffic of shared memory: a warp of 64 × 64 reads 4 KB for 32 products of 8 clocks, half of what a multiprocessor can deliver to four.
#pragma once
#include "device.h"

/// fragment_sets: 2 reads fragments one step ahead; 1 saves registers for loaders that need them.
template <int m_, int n_, int k_, int warps_m_, int warps_n_, int stages_, int fragment_sets_ = 2> struct TileShape {
  static constexpr int m = m_, n = n_, k = k_, warps_m = warps_m_, warps_n = warps_n_, stages = stages_;
  static constexpr int fragment_sets = fragment_sets_;
  static constexpr int warps = warps_m * warps_n, threads = 32 * warps;
};
/// Two blocks share a multiprocessor: one multiplies while the other begins or ends.
using LargeTile = TileShape<128, 128, 32, 2, 2, 4>;
using LargeDecodedTile = TileShape<128, 128, 32, 2, 2, 4, 1>;
/// For few rows or columns.
using SmallTile = TileShape<64, 64, 64, 2, 2, 3>;

/// rows × columns bf16 in shared memory, 16-byte pieces swizzled. Eight pieces that are accessed together (of eight rows in one column, or
/// of one row) lie in different banks.
template <int rows_, int columns_> struct SwizzledTile {
  static constexpr int rows = rows_, columns = columns_, row_bytes = 2 * columns, bytes = rows * row_bytes, pieces = columns / 8;
  static_assert(row_bytes == 64 || row_bytes % 128 == 0, "64-byte rows share a line in pairs, longer ones fill lines");

  HOOF_INLINE static int offset(int row, int piece) {
    int turn = row_bytes == 64 ? row >> 1 & 3 : row & 7;
    return row * row_bytes + ((piece ^ turn) << 4);
  }
};

/// Orientation of an operand in memory: rows along k (row = m or n), or across k (row = k).
template <bool along_k, int across, int k> using OperandTile = SwizzledTile<along_k ? across : k, along_k ? k : across>;

/// Brings tiles of a dense operand into shared memory, one after the other along k. T is bf16 for copies in the background; other types,
/// and bf16 where `packed` is false, go through ordinary loads (any alignment, any length) and are rounded to bf16.
template <class T, bool along_k, int across, int k_of_tile, int threads> struct DenseLoader {
  using Tile = OperandTile<along_k, across, k_of_tile>;
  static constexpr int passes = Tile::rows * Tile::pieces / threads, row_step = threads / Tile::pieces;
  static_assert(threads % Tile::pieces == 0 && Tile::rows % row_step == 0, "threads share the tile evenly");

  const T *next;
  i64 stride;
  int row, piece, across_left, k_left;
  bool packed;

  /// The tile starts at `first` of `extent` rows (along k) or columns (across k) of m or n, and at k = `k_begin`, and moves up to `k_end`.
  /// `packed`: pointer and stride are multiples of 16 bytes, and so is the length of rows.
  HOOF_INLINE DenseLoader(const void *data, i64 stride, int first, int extent, int k_begin, int k_end, bool packed)
      : stride(stride), row(threadIdx.x / Tile::pieces), piece(threadIdx.x % Tile::pieces), packed(packed) {
    int first_row = along_k ? first : k_begin, first_column = along_k ? k_begin : first;
    next = static_cast<const T *>(data) + (first_row + row) * stride + first_column + piece * 8;
    across_left = extent - first - (along_k ? row : piece * 8);
    k_left = k_end - k_begin - (along_k ? piece * 8 : row);
  }

  /// Starts bringing the next tile.
  HOOF_INLINE void fetch(unsigned char *slot) {
    if (sizeof(T) == 2 && same<T, bf16>::value && packed) {
#pragma unroll
      for (int pass = 0; pass < passes; pass++) {
        bool wanted = along_k ? pass * row_step < across_left && 0 < k_left : 0 < across_left && pass * row_step < k_left;
        copy_async_16(slot + Tile::offset(row + pass * row_step, piece), next + pass * row_step * stride, wanted);
      }
    } else {
#pragma unroll 1
      for (int pass = 0; pass < passes; pass++) {
        int rows = (along_k ? across_left : k_left) - pass * row_step, columns = along_k ? k_left : across_left;
        const T *from = next + pass * row_step * stride;
        float x[8];
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = rows > 0 && i < columns ? to_float(from[i]) : 0.0f;
        uint4 words;
        words.x = pack_bf16(x[0], x[1]), words.y = pack_bf16(x[2], x[3]);
        words.z = pack_bf16(x[4], x[5]), words.w = pack_bf16(x[6], x[7]);
        *reinterpret_cast<uint4 *>(slot + Tile::offset(row + pass * row_step, piece)) = words;
      }
    }
    next += along_k ? (i64)k_of_tile : k_of_tile * stride;
    k_left -= k_of_tile;
  }
  /// Writes what `fetch` left in registers; here it left nothing.
  HOOF_INLINE void store(unsigned char *) {}

private:
  template <class X, class Y> struct same {
    static constexpr bool value = false;
  };
  template <class X> struct same<X, X> {
    static constexpr bool value = true;
  };
};

/// The sums of one tile of op(a)·op(b), spread over the block's threads.
template <class Shape, bool a_along_k, bool b_along_k> struct Bf16Tile {
  using A = OperandTile<a_along_k, Shape::m, Shape::k>;
  using B = OperandTile<b_along_k, Shape::n, Shape::k>;
  static constexpr int stage_bytes = A::bytes + B::bytes, shared_bytes = Shape::stages * stage_bytes;
  static constexpr int warp_m = Shape::m / Shape::warps_m, warp_n = Shape::n / Shape::warps_n;
  static constexpr int m_fragments = warp_m / 16, n_fragments = warp_n / 8, k_steps = Shape::k / 16;
  static_assert(warp_m % 16 == 0 && warp_n % 16 == 0 && k_steps % 2 == 0, "pairs of fragments, an even number of steps");

  /// sum[i][j][e] belongs to row `row(i, e)`, column `column(j, e)` of the tile. A thread's e = 0, 1 and e = 2, 3 are neighbours in a
  /// row; four threads (lane % 4) hold eight columns of a fragment's row.
  float sum[m_fragments][n_fragments][4];

  HOOF_INLINE static int warp_row() { return threadIdx.x / 32 / Shape::warps_n * warp_m; }
  HOOF_INLINE static int warp_column() { return threadIdx.x / 32 % Shape::warps_n * warp_n; }
  HOOF_INLINE static int row(int i, int e) { return warp_row() + i * 16 + (e >> 1) * 8 + (threadIdx.x % 32) / 4; }
  HOOF_INLINE static int column(int j, int e) { return warp_column() + j * 8 + threadIdx.x % 4 * 2 + (e & 1); }

  HOOF_INLINE void clear() {
#pragma unroll
    for (int i = 0; i < m_fragments; i++)
#pragma unroll
      for (int j = 0; j < n_fragments; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sum[i][j][e] = 0.0f;
  }

  /// Adds `tiles` steps of Shape::k along k. `shared` has shared_bytes, 16-byte aligned. All threads of the block take part; the block
  /// may be in the midst of using `shared` otherwise (a barrier stands first), and may use it again after a barrier of its own.
  template <class LoadA, class LoadB> HOOF_INLINE void multiply(unsigned char *shared, LoadA &a, LoadB &b, int tiles) {
    if (tiles <= 0) return;
    __syncthreads();
#pragma unroll 1
    for (int stage = 0; stage < Shape::stages - 1; stage++) {
      if (stage < tiles) {
        unsigned char *slot = shared + stage * stage_bytes;
        a.fetch(slot), b.fetch(slot + A::bytes);
        a.store(slot), b.store(slot + A::bytes);
      }
      copy_async_commit();
    }
    copy_async_wait<Shape::stages - 2>();
    __syncthreads();

    constexpr int sets = Shape::fragment_sets;
    constexpr int last_set = sets - 1;
    u32 of_a[sets][m_fragments][4], of_b[sets][n_fragments / 2][4];
    int reading = 0, writing = Shape::stages - 1;
    if (sets == 2) load(shared, 0, of_a[0], of_b[0]);
#pragma unroll 1
    for (int tile = 0; tile < tiles; tile++) {
      bool more = tile + Shape::stages - 1 < tiles;
      unsigned char *slot = shared + writing * stage_bytes;
      unsigned char *current = shared + reading * stage_bytes;
#pragma unroll
      for (int step = 0; step < k_steps; step++) {
        if (sets == 1) load(current, step, of_a[0], of_b[0]);
        if (step == k_steps - 1) {
          // All fragments of this slot are in registers: after the barrier it may be overwritten, and the next one is complete.
          if (more) a.store(slot), b.store(slot + A::bytes);
          copy_async_wait<Shape::stages - 2>();
          __syncthreads();
          reading = reading + 1 == Shape::stages ? 0 : reading + 1;
          writing = writing + 1 == Shape::stages ? 0 : writing + 1;
          current = shared + reading * stage_bytes;
        }
        if (sets == 2) load(current, (step + 1) % k_steps, of_a[(step + 1) & last_set], of_b[(step + 1) & last_set]);
        if (step == 0) {
          if (more) a.fetch(slot), b.fetch(slot + A::bytes);
          copy_async_commit();
        }
#pragma unroll
        for (int i = 0; i < m_fragments; i++)
#pragma unroll
          for (int j = 0; j < n_fragments; j++) {
            const u32(&pair)[4] = of_b[step & last_set][j / 2];
            mma_bf16_16x8x16(sum[i][j], of_a[step & last_set][i], pair[j % 2 * 2], pair[j % 2 * 2 + 1]);
          }
      }
    }
    copy_async_wait<0>();
  }

private:
  /// Fragments of 16 along k; see mma_bf16_16x8x16 for which thread needs what.
  HOOF_INLINE static void load(const unsigned char *slot, int step, u32 (&a)[m_fragments][4], u32 (&b)[n_fragments / 2][4]) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < m_fragments; i++) {
      int first = warp_row() + i * 16;
      if (a_along_k)
        load_matrix_x4(a[i], slot + A::offset(first + lane % 16, step * 2 + lane / 16));
      else
        load_matrix_x4_transposed(a[i], slot + A::offset(step * 16 + lane % 8 + lane / 16 * 8, first / 8 + lane / 8 % 2));
    }
#pragma unroll
    for (int j = 0; j < n_fragments / 2; j++) {
      int first = warp_column() + j * 16;
      if (b_along_k)
        load_matrix_x4(b[j], slot + A::bytes + B::offset(first + lane % 8 + lane / 16 * 8, step * 2 + lane / 8 % 2));
      else
        load_matrix_x4_transposed(b[j], slot + A::bytes + B::offset(step * 16 + lane % 16, first / 8 + lane / 16));
    }
  }
};
