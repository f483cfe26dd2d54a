#ifndef HOOF_FILE_H
#define HOOF_FILE_H

#include <stdint.h>

/// Two Linux calls that Swift's Glibc module leaves out. Each returns 0 or an errno.

/// Claims disk space without writing zeros (fallocate).
int hoof_file_reserve(int descriptor, int64_t count);

/// Starts writing a range to disk and does not wait (sync_file_range).
int hoof_file_start_flush(int descriptor, int64_t offset, int64_t count);

/// What the running program was started as: AT_EXECFN of the kernel's auxiliary vector; null where it is missing.
const char *hoof_file_own_name(void);

#endif
