// The counter-based hash of TensorCore's CounterHash, lanes at a time. Included once per level, behind lanes.h.
#define vmix KERNEL(vmix)
#define vhash KERNEL(vhash)

LANE vu vmix(vu x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

/// The bits of elements index, index + 1 ...
LANE vu vhash(const struct hoof_hash *keys, uint64_t index) {
  vu low = vlane() + (vu)(uint32_t)index;
  // A lane whose lower half has wrapped is in the next upper half: minus all ones is plus one.
  vu high = (vu)(uint32_t)(index >> 32) - (vu)(low < (vu)(uint32_t)index);
  return vmix(vmix(low ^ (vu)keys->first) + (vu)keys->second + high * 0x9e3779b9u);
}
