#ifndef HOOF_STREAM_H
#define HOOF_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "hoof_cpu.h"

/// Reads `bytes` bytes (a multiple of 1024, 64-byte aligned) and does nothing else with them: the roof of everything that reads memory.
/// Returns a word that depends on all of them, so that no read can be left out.
uint32_t hoof_read_pass(enum hoof_simd simd, const void *memory, size_t bytes);

#endif
