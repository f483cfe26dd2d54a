#ifndef HOOF_SHA256_H
#define HOOF_SHA256_H

#include <stddef.h>
#include <stdint.h>

/// Feeds `count` blocks of 64 bytes to the eight words of a SHA-256 state (FIPS 180-4). Padding is the caller's.
void hoof_sha256_blocks(uint32_t *state, const void *blocks, size_t count);

/// The same without special instructions.
void hoof_sha256_blocks_scalar(uint32_t *state, const void *blocks, size_t count);

#endif
