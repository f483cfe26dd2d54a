// The main loop of matrix products on Hopper: a [M, K] · b [N, K]ᵀ, bf16, one tile [rows, columns] at a time, without the epilogue.
//
// A block has three warpgroups. The third is the producer: one thread keeps `stages` shared buffers filled with a's [rows, 64] and b's
// [columns, 64] boxes through the tensor memory accelerator (128-byte swizzle, zeros outside the matrices, so edges of M, N and K need no
// care). The other two are consumers with half of the tile's rows each; a wgmma reads both operands from shared memory. Each buffer has two
// barriers: full (the producer's arrival and the boxes' bytes) and empty (one arrival from each of the eight consumer warps). Both sides
// walk the same sequence of tiles and steps and count buffers on across tiles, so that the producer loads the next tile while the epilogue
// of this one runs.
//
// Parity: a wait for parity p returns when the barrier's phase of parity p is complete. Fresh barriers are in phase 0, so the producer's
// first round waits for the parity 1 "before" it and passes.
#pragma once
#include "hopper.h"
#include "tile_order.h"

/// Where the buffers are: the next one, and the parity of its phase.
template <int stages> struct PipelinePosition {
  int stage = 0;
  u32 parity = 0;

  HOOF_INLINE void advance() {
    if (++stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

template <int rows_, int columns_, int stages_> struct Pipeline {
  static constexpr int rows = rows_, columns = columns_, stages = stages_, depth = 64;
  /// Products of 64 rows in each consumer.
  static constexpr int products = rows / 128;
  static constexpr int a_bytes = rows * depth * 2, b_bytes = columns * depth * 2;
  static constexpr int barriers_at = stages * (a_bytes + b_bytes), shared_bytes = barriers_at + stages * 16;
  static constexpr int threads = 384, producer = 2;
  static_assert(rows % 128 == 0 && rows <= 256 && columns <= 256 && shared_bytes <= 232448, "boxes of 256, shared memory of a block");

  u8 *shared;

  HOOF_INLINE u8 *a(int stage) const { return shared + stage * a_bytes; }
  HOOF_INLINE u8 *b(int stage) const { return shared + stages * a_bytes + stage * b_bytes; }
  HOOF_INLINE u64 *full(int stage) const { return reinterpret_cast<u64 *>(shared + barriers_at) + stage; }
  HOOF_INLINE u64 *empty(int stage) const { return full(stage) + stages; }

  /// By all threads, before anything else.
  HOOF_INLINE void start() const {
    if (threadIdx.x == 0) {
      for (int stage = 0; stage < stages; stage++) {
        barrier_init(full(stage), 1);
        barrier_init(empty(stage), 8);
      }
      barrier_fence();
    }
    __syncthreads();
  }

  /// By one thread: loads the `steps` boxes of the tile at a's row and b's row.
  HOOF_INLINE void load(
      const TensorMap *a_map, const TensorMap *b_map, int a_row, int b_row, int steps, PipelinePosition<stages> &position) const {
#pragma unroll 1
    for (int k = 0; k < steps; k++) {
      int stage = position.stage;
      barrier_wait(empty(stage), position.parity ^ 1);
      barrier_expect(full(stage), a_bytes + b_bytes);
      tensor_load_2d(a(stage), a_map, full(stage), k * depth, a_row);
      tensor_load_2d(b(stage), b_map, full(stage), k * depth, b_row);
      position.advance();
    }
  }

  /// By a consumer warpgroup: d = its rows of the tile (steps > 0). One step's products stay under way while the next are issued; a buffer
  /// is given back when the products that read it are known to be done.
  HOOF_INLINE void multiply(float (&d)[products][columns / 2], int steps, PipelinePosition<stages> &position) const {
    const bool speaks = threadIdx.x % 32 == 0;
    // The same in all lanes, which a shuffle tells the compiler: descriptors live in uniform registers.
    const int half = __shfl_sync(0xffffffffu, (int)threadIdx.x / 128, 0) * (a_bytes / 2);
    int behind = position.stage;
    multiply_step(d, half, position, false);
#pragma unroll 1
    for (int k = 1; k < steps; k++) {
      int stage = position.stage;
      multiply_step(d, half, position, true);
      wgmma_wait<1>();
      if (speaks) barrier_arrive(empty(behind));
      behind = stage;
    }
    wgmma_wait<0>();
#pragma unroll
    for (int product = 0; product < products; product++) wgmma_hold(d[product]);
    if (speaks) barrier_arrive(empty(behind));
  }

 private:
  HOOF_INLINE void multiply_step(float (&d)[products][columns / 2], int half, PipelinePosition<stages> &position, bool accumulate) const {
    const int stage = position.stage;
    barrier_wait(full(stage), position.parity);
    u64 a_tile = wgmma_descriptor(a(stage) + half), b_tile = wgmma_descriptor(b(stage));
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < depth / 16; i++) {
#pragma unroll
      for (int product = 0; product < products; product++) {
        // 16 columns further are 32 bytes, 64 rows further 8192 bytes; addresses count in units of 16.
        multiply_add(d[product], a_tile + product * 512 + i * 2, b_tile + i * 2, accumulate || i > 0);
      }
    }
    wgmma_commit();
    position.advance();
  }

  static HOOF_INLINE void multiply_add(float (&d)[32], u64 a, u64 b, bool accumulate) { wgmma_m64n64k16(d, a, b, accumulate); }
  static HOOF_INLINE void multiply_add(float (&d)[64], u64 a, u64 b, bool accumulate) { wgmma_m64n128k16(d, a, b, accumulate); }
  static HOOF_INLINE void multiply_add(float (&d)[96], u64 a, u64 b, bool accumulate) { wgmma_m64n192k16(d, a, b, accumulate); }
  static HOOF_INLINE void multiply_add(float (&d)[128], u64 a, u64 b, bool accumulate) { wgmma_m64n256k16(d, a, b, accumulate); }
};
