// Copies by the tensor memory accelerator.
#pragma once
#include "arrivals.h"

namespace simt {
/// Checks operands, poisons the destination.
PendingLoad prepare_tensor_load(void *shared, const TensorMap *map, i32 x, i32 y);
/// Copies the box; its bytes.
u32 run_tensor_load(const PendingLoad &load);
}  // namespace simt
