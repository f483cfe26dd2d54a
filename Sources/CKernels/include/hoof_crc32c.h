#ifndef HOOF_CRC32C_H
#define HOOF_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli, as in iSCSI and ext4) of `bytes` appended to data whose sum is `crc`; 0 for no data.
uint32_t hoof_crc32c(uint32_t crc, const void *bytes, size_t count);

/// The same without special instructions.
uint32_t hoof_crc32c_scalar(uint32_t crc, const void *bytes, size_t count);

/// The sum of A followed by B, from the sums of both and the length of B.
uint32_t hoof_crc32c_combine(uint32_t a, uint32_t b, uint64_t b_count);

#endif
