#ifndef HOOF_HASH_H
#define HOOF_HASH_H

#include <stdint.h>

/// The keys of a CounterHash (TensorCore): bits(i) = mix(mix(low half of i ^ first) + second + 0x9e3779b9 · high half of i).
struct hoof_hash {
  uint32_t first, second;
};

#endif
