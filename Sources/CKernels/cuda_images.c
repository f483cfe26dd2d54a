// The kernels' PTX inside the program. Written by scripts/kernels.sh: a line for each file of cuda/ptx.
#include "hoof_cuda_images.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char adamw8_ptx[] = {
#embed "cuda/ptx/adamw8.ptx"
    , 0};
static const char attention_ptx[] = {
#embed "cuda/ptx/attention.ptx"
    , 0};
static const char attention_backward_ptx[] = {
#embed "cuda/ptx/attention_backward.ptx"
    , 0};
static const char attention_backward_general_ptx[] = {
#embed "cuda/ptx/attention_backward_general.ptx"
    , 0};
static const char attention_general_ptx[] = {
#embed "cuda/ptx/attention_general.ptx"
    , 0};
static const char copy_ptx[] = {
#embed "cuda/ptx/copy.ptx"
    , 0};
static const char divergence_ptx[] = {
#embed "cuda/ptx/divergence.ptx"
    , 0};
static const char divergence_sm90a_ptx[] = {
#embed "cuda/ptx/divergence_sm90a.ptx"
    , 0};
static const char elementwise_ptx[] = {
#embed "cuda/ptx/elementwise.ptx"
    , 0};
static const char gate_ptx[] = {
#embed "cuda/ptx/gate.ptx"
    , 0};
static const char loss_ptx[] = {
#embed "cuda/ptx/loss.ptx"
    , 0};
static const char matmul_ptx[] = {
#embed "cuda/ptx/matmul.ptx"
    , 0};
static const char matmul_backward_ptx[] = {
#embed "cuda/ptx/matmul_backward.ptx"
    , 0};
static const char matmul_f32_ptx[] = {
#embed "cuda/ptx/matmul_f32.ptx"
    , 0};
static const char matmul_mixed_ptx[] = {
#embed "cuda/ptx/matmul_mixed.ptx"
    , 0};
static const char matmul_sm90a_ptx[] = {
#embed "cuda/ptx/matmul_sm90a.ptx"
    , 0};
static const char matmul_tf32_ptx[] = {
#embed "cuda/ptx/matmul_tf32.ptx"
    , 0};
static const char matvec_ptx[] = {
#embed "cuda/ptx/matvec.ptx"
    , 0};
static const char matvec_f32_ptx[] = {
#embed "cuda/ptx/matvec_f32.ptx"
    , 0};
static const char matvec_quantized_ptx[] = {
#embed "cuda/ptx/matvec_quantized.ptx"
    , 0};
static const char norm_ptx[] = {
#embed "cuda/ptx/norm.ptx"
    , 0};
static const char quantized_ptx[] = {
#embed "cuda/ptx/quantized.ptx"
    , 0};
static const char quantized_backward_ptx[] = {
#embed "cuda/ptx/quantized_backward.ptx"
    , 0};
static const char rope_ptx[] = {
#embed "cuda/ptx/rope.ptx"
    , 0};
static const char rows_ptx[] = {
#embed "cuda/ptx/rows.ptx"
    , 0};
static const char update_ptx[] = {
#embed "cuda/ptx/update.ptx"
    , 0};

static const struct {
  const char *name, *ptx;
} images[] = {
    {"adamw8", adamw8_ptx},
    {"attention", attention_ptx},
    {"attention_backward", attention_backward_ptx},
    {"attention_backward_general", attention_backward_general_ptx},
    {"attention_general", attention_general_ptx},
    {"copy", copy_ptx},
    {"divergence", divergence_ptx},
    {"divergence_sm90a", divergence_sm90a_ptx},
    {"elementwise", elementwise_ptx},
    {"gate", gate_ptx},
    {"loss", loss_ptx},
    {"matmul", matmul_ptx},
    {"matmul_backward", matmul_backward_ptx},
    {"matmul_f32", matmul_f32_ptx},
    {"matmul_mixed", matmul_mixed_ptx},
    {"matmul_sm90a", matmul_sm90a_ptx},
    {"matmul_tf32", matmul_tf32_ptx},
    {"matvec", matvec_ptx},
    {"matvec_f32", matvec_f32_ptx},
    {"matvec_quantized", matvec_quantized_ptx},
    {"norm", norm_ptx},
    {"quantized", quantized_ptx},
    {"quantized_backward", quantized_backward_ptx},
    {"rope", rope_ptx},
    {"rows", rows_ptx},
    {"update", update_ptx},
    {0, 0},
};

const char *hoof_cuda_image(const char *name) {
  for (const typeof(*images) *image = images; image->name; image++)
    if (!strcmp(image->name, name)) return image->ptx;
  return 0;
}
