#pragma once
#include <stddef.h>

// Eigenvalues (rising) and eigenvectors of a symmetric matrix, by divide and conquer. LAPACK as gfortran compiles it: everything by
// address, the lengths of character arguments behind all others. Debian's OpenBLAS has it in libopenblas.a, but lapacke.h is in a package of
// its own.
void dsyevd_(
    const char *job, const char *triangle, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *iwork,
    const int *liwork, int *info, size_t job_length, size_t triangle_length);
