// The box of a tensor map → shared memory. Row y of the box lies at y · (its bytes), every address then swizzled: with 128-byte swizzle
// the 16-byte chunk number (address bits 4-6) is XORed with the 128-byte line number modulo 8 (bits 7-9); 64-byte swizzle XORs bits 4-5
// with 7-8, 32-byte swizzle bit 4 with 7. Outside of the tensor stand zeros.
#include "tensor_loads.h"

#include "checks.h"
#include "faults.h"

namespace simt {
static u32 swizzled(u32 address, u32 mode) {
  u32 bits = mode == 3 ? 7 : mode == 2 ? 3 : mode == 1 ? 1 : 0;
  return address ^ ((address >> 7 & bits) << 4);
}

PendingLoad prepare_tensor_load(void *shared, const TensorMap *map, i32 x, i32 y) {
  if ((u64)map % 64) fail(misalignedAddress, "tensor map at %p, which is no multiple of 64", (const void *)map);
  PendingLoad load{(char *)shared, {}, x, y};
  memcpy(&load.map, map, sizeof(EncodedMap));
  const EncodedMap &m = load.map;
  if (m.mark != tensorMapMark) fail(launchFailed, "tensor_load_2d with what is no tensor map");
  if (m.rank != 2) fail(launchFailed, "tensor_load_2d with a map of rank %u", m.rank);
  u32 bytes = m.box[0] * m.elementBytes * m.box[1];
  // Swizzled boxes lie at multiples of the pattern's repeat.
  u32 alignment = m.swizzle == 3 ? 1024 : m.swizzle == 2 ? 512 : m.swizzle == 1 ? 256 : 128;
  u32 offset = shared_address(shared);
  if (offset % alignment) fail(misalignedAddress, "tensor_load_2d to offset %u, which is no multiple of %u", offset, alignment);
  check_shared(shared, bytes, 16, true);
  memset(shared, 0xff, bytes);
  return load;
}

u32 run_tensor_load(const PendingLoad &load) {
  Worker &w = *worker;
  const EncodedMap &m = load.map;
  u32 row = m.box[0] * m.elementBytes, start = (u32)(load.shared - w.shared);
  for (u32 y = 0; y < m.box[1]; y++) {
    i64 sourceRow = (i64)load.y + y;
    for (u32 chunk = 0; chunk < row; chunk += 16) {
      char *to = w.shared + swizzled(start + y * row + chunk, m.swizzle);
      for (u32 byte = 0; byte < 16; byte += m.elementBytes) {
        i64 column = (i64)load.x + (chunk + byte) / m.elementBytes;
        if (sourceRow < 0 || sourceRow >= (i64)m.size[1] || column < 0 || column >= (i64)m.size[0]) {
          memset(to + byte, 0, m.elementBytes);
          continue;
        }
        u64 from = m.address + (u64)sourceRow * m.stride[1] + (u64)column * m.elementBytes;
        // Whole chunks inside of the tensor at once.
        u32 piece = byte == 0 && column + 16 / m.elementBytes <= (i64)m.size[0] ? 16 : m.elementBytes;
        check_global((const void *)from, piece, m.elementBytes, false);
        memcpy(to + byte, (const void *)from, piece);
        if (piece == 16) break;
      }
    }
  }
  return row * m.box[1];
}
}  // namespace simt
