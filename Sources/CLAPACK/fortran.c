#include "lapack.h"
#include <string.h>

// The only function of the Fortran runtime that this part of LAPACK calls (it joins option letters): with it here, nothing of libgfortran
// has to be installed or linked. Weak, so that a libgfortran that is linked anyway goes first.
__attribute__((weak)) void _gfortran_concat_string(
    size_t length, char *out, size_t first_length, const char *first, size_t second_length, const char *second) {
  if (first_length > length) first_length = length;
  if (second_length > length - first_length) second_length = length - first_length;
  memcpy(out, first, first_length);
  memcpy(out + first_length, second, second_length);
  memset(out + first_length + second_length, ' ', length - first_length - second_length);
}
