#define _GNU_SOURCE
#include "hoof_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>

int hoof_file_reserve(int descriptor, int64_t count) { return fallocate(descriptor, 0, 0, count) == 0 ? 0 : errno; }

int hoof_file_start_flush(int descriptor, int64_t offset, int64_t count) {
  return sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : errno;
}

const char *hoof_file_own_name(void) { return (const char *)getauxval(AT_EXECFN); }
