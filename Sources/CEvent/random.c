#include "hoof_event.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

// Debian's libevent takes these two from glibc, which has them from 2.36 on. With them here, a program that is linked with libevent asks for
// no newer glibc than the rest of it does. Weak, so that another definition goes first.
__attribute__((weak)) void arc4random_buf(void *out, size_t size) {
  uint8_t *at = out;
  while (size > 0) {
    ssize_t got = getrandom(at, size, 0);
    if (got <= 0) continue;
    at += got;
    size -= (size_t)got;
  }
}

__attribute__((weak)) uint32_t arc4random(void) {
  uint32_t value;
  arc4random_buf(&value, sizeof value);
  return value;
}
