#define _DEFAULT_SOURCE // setenv
#include <stdlib.h>

// OpenBLAS starts one thread per processor while the program loads, and they look for work for a while before they sleep: on two
// cores that took a tenth of a short study. hoof has its own workers, so OpenBLAS is told to start none. The setting is read by a
// constructor of OpenBLAS, which only the executable's .preinit_array is sure to precede.
static void start_no_threads(void) { setenv("OPENBLAS_NUM_THREADS", "1", 0); }

__attribute__((section(".preinit_array"), used)) static void (*const before_constructors)(void) = start_no_threads;
