#include "hoof_cpu.h"

enum hoof_simd hoof_simd_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // libgcc's test includes the operating system's part (XGETBV), so a kernel that does not save ZMM registers is no trap.
  if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))) return hoof_simd_scalar;
  if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")))
    return hoof_simd_avx2;
  return __builtin_cpu_supports("avx512vnni") ? hoof_simd_avx512_vnni : hoof_simd_avx512;
#else
  return hoof_simd_scalar;
#endif
}

const char *hoof_simd_name(enum hoof_simd level) {
  static const char *const names[] = {"scalar", "avx2", "avx512", "avx512-vnni"};
  return names[level];
}
