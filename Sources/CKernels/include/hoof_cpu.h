#ifndef HOOF_CPU_H
#define HOOF_CPU_H

/// Instruction sets the kernels are written for, weakest first. A level includes everything below it.
enum hoof_simd {
  hoof_simd_scalar = 0,
  hoof_simd_avx2 = 1,        // AVX2, FMA, F16C
  hoof_simd_avx512 = 2,      // + AVX-512 F, BW, DQ, VL
  hoof_simd_avx512_vnni = 3, // + AVX-512 VNNI
};

/// The best level this processor and its operating system can run.
enum hoof_simd hoof_simd_level(void);

/// "scalar", "avx2", "avx512", "avx512-vnni".
const char *hoof_simd_name(enum hoof_simd level);

/// Tells the processor that this is a loop that waits for another thread.
static inline void hoof_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
