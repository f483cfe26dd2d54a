// The kernels' PTX inside the program. Written by scripts/kernels.sh: a line for each file of cuda/ptx.
#include "hoof_cuda_images.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"


static const struct {
  const char *name, *ptx;
} images[] = {
    {0, 0},
};

const char *hoof_cuda_image(const char *name) {
  for (const typeof(*images) *image = images; image->name; image++)
    if (!strcmp(image->name, name)) return image->ptx;
  return 0;
}
