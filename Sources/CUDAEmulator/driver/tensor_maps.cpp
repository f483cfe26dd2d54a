// cuTensorMapEncodeTiled, with the checks that the driver documents.
#include "../runtime/tensor_map.h"
#include "driver.h"

using namespace driver;

HOOF_ENTRY(cuTensorMapEncodeTiled, void *map, int type, unsigned rank, void *address, const u64 *sizes, const u64 *strides, const u32 *box,
           const u32 *elementStrides, int interleave, int swizzle, int promotion, int fill) {
  HOOF_CALL(cuTensorMapEncodeTiled, driver);
  // CUtensorMapDataType: U8, U16, U32, I32, U64, I64, F16, F32, F64, BF16, and f32 variants.
  static const u32 bytesOf[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  if (device().capability < 90) return 801;
  if (!map || (u64)map % 64 || type < 0 || type > 12 || rank < 1 || rank > 5) return invalidValue;
  if (!address || (u64)address % 16 || !sizes || !box || !elementStrides || (rank > 1 && !strides)) return invalidValue;
  if (interleave < 0 || interleave > 2 || swizzle < 0 || swizzle > 3) return invalidValue;
  if (promotion < 0 || promotion > 3 || fill < 0 || fill > 1) return invalidValue;
  EncodedMap m = {};
  m.mark = tensorMapMark;
  m.elementBytes = bytesOf[type];
  m.swizzle = (u32)swizzle;
  m.rank = rank;
  m.address = (u64)address;
  for (u32 i = 0; i < rank; i++) {
    if (!sizes[i] || sizes[i] > 1ull << 32 || !box[i] || box[i] > 256 || !elementStrides[i] || elementStrides[i] > 8) return invalidValue;
    if (elementStrides[i] != 1) return 801;
    m.size[i] = sizes[i];
    m.box[i] = box[i];
    m.stride[i] = i ? strides[i - 1] : m.elementBytes;
    if (i && (strides[i - 1] % 16 || strides[i - 1] >= 1ull << 40)) return invalidValue;
    if (i && m.stride[i] < m.size[i - 1] * m.stride[i - 1]) return invalidValue;
  }
  u32 inner = box[0] * m.elementBytes;
  if (interleave) return 801;
  if (inner % 16) return invalidValue;
  if (swizzle && inner > 16u << swizzle) return invalidValue;
  memcpy(map, &m, sizeof m);
  return success;
}
