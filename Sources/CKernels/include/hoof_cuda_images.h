#ifndef HOOF_CUDA_IMAGES_H
#define HOOF_CUDA_IMAGES_H

/// PTX of kernel file `name` (Sources/CKernels/cuda/ptx/name.ptx), null-terminated; null when this build has none.
const char *hoof_cuda_image(const char *name);

#endif
