// Fused LM head + KL: the merge of what the tiles left (its arithmetic and layout are in divergence.h), used behind every version of the tiles.
//
// Mapping: one warp a row, eight rows a block. Traffic: 32 bytes a part, read twice (the second time from cache).
#include "divergence.h"

HOOF_KERNEL hoof_divergence_merge(
    const DivergencePart *parts, const float *target_logits, const i32 *targets, float *divergences, float *losses, i32 *winners,
    DivergenceShape shape) {
  merge_divergence(parts, target_logits, targets, divergences, losses, winners, shape);
}
HOOF_EXPORT(hoof_divergence_merge)
