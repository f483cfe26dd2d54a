// What stands in the 128 opaque bytes of a tensor map here.
#pragma once
#include "worker.h"

namespace simt {
constexpr u32 tensorMapMark = 0x686f6f66;
struct EncodedMap {
  u32 mark;
  u32 elementBytes, swizzle, rank;
  u64 address;
  u64 size[5];    // elements, innermost first
  u64 stride[5];  // bytes; the first is elementBytes
  u32 box[5];     // elements
};
static_assert(sizeof(EncodedMap) <= 128 + 24, "see below");
}  // namespace simt
