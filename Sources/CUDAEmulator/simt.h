// What device.h stands on when it is compiled for the CPU: CUDA's vocabulary as C++17, one fiber a CUDA thread (see runtime/).
//
// Kernels see only what is included here. Nothing inline in these headers touches device or shared memory: kernel files are compiled with
// `-fsanitize=thread` for the calls it plants before every load and store (runtime/hooks.cpp), and the emulator's own state must stay out
// of their sight. So whatever needs memory is a call into the runtime, and values travel in registers.
//
// A scratch harness: include the .cu, compile with
//   clang++ -std=c++17 -O2 -mavx2 -mfma -mf16c -ISources/CUDAEmulator -ISources/CKernels/cuda harness.cpp
//     Sources/CUDAEmulator/{runtime,driver}/*.cpp -pthread
// get kernels with cuModuleGetFunction(&f, nullptr, name) and launch on the null stream, which runs at once. With
// `-fsanitize=thread -fno-vectorize -fno-slp-vectorize -c` for the file that includes the .cu (only that; link without), accesses are
// checked; without it, set HOOF_EMULATOR_CHECKS=none where kernels get host pointers.
#pragma once
#include "vocabulary/types.h"

#include "vocabulary/threads.h"

#include "vocabulary/warp.h"

#include "vocabulary/math.h"

#include "vocabulary/memory.h"

#include "vocabulary/tensor_cores.h"

#include "vocabulary/hopper_twins.h"

#include "vocabulary/registry.h"
