// Compiles the file named by HOOF_SELF once per instruction set: kernels are written once against the lanes of lanes.h, and a file keeps
// its levels together. A kernel called KERNEL(f) becomes f_0, f_1, f_2; HOOF_TABLE(f) then holds all of them, indexed by enum hoof_simd.
#define HOOF_JOIN_(a, b) a##_##b
#define HOOF_JOIN(a, b) HOOF_JOIN_(a, b)
#define KERNEL(name) HOOF_JOIN(name, HOOF_LEVEL)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define HOOF_LEVEL 0
#include "lanes.h"
#include HOOF_SELF
#undef HOOF_LEVEL

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define HOOF_LEVEL 1
#include "lanes.h"
#include HOOF_SELF
#undef HOOF_LEVEL
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define HOOF_LEVEL 2
#include "lanes.h"
#include HOOF_SELF
#undef HOOF_LEVEL
#pragma clang attribute pop
// VNNI adds nothing to float kernels, so it shares the entry below it.
#define HOOF_TABLE(name) static typeof(&name##_0) const name##_table[] = {name##_0, name##_1, name##_2, name##_2}
#else
#define HOOF_TABLE(name) static typeof(&name##_0) const name##_table[] = {name##_0, name##_0, name##_0, name##_0}
#endif
