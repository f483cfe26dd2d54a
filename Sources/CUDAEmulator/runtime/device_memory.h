// The device's memory: one reserved range of addresses in which allocations live, each followed by a gap that nobody may touch.
#pragma once
#include <map>
#include <string>

#include "worker.h"

namespace simt {
constexpr u64 granuleBytes = 256;
// Plain variables, for the hooks: where the range is, and how many bytes of each granule are live.
extern u64 arenaStart, arenaBytes;
extern u16 *liveBytes;

class DeviceMemory {
 public:
  /// Device memory in bytes: HOOF_EMULATOR_MEMORY, else 4 GiB.
  u64 total = 0, used = 0;

  DeviceMemory();
  /// Reserves addresses and poisons them; 0 if the device is full. Nobody may touch them before `enliven`.
  u64 allocate(u64 bytes);
  void enliven(u64 address);
  /// False unless `address` is where a live allocation starts.
  bool kill(u64 address);
  bool isAllocated(u64 address) const { return blocks.count(address) != 0; }

  bool isLive(u64 address, u64 bytes) const {
    u64 offset = address - arenaStart;
    if (offset >= arenaBytes || bytes > arenaBytes - offset) return false;
    for (u64 done = 0; done < bytes;) {
      u64 at = offset + done, inside = granuleBytes - at % granuleBytes, piece = bytes - done < inside ? bytes - done : inside;
      if (at % granuleBytes + piece > liveBytes[at / granuleBytes]) return false;
      done += piece;
    }
    return true;
  }
  /// Where an address lies with respect to the nearest allocation.
  std::string describe(u64 address) const;

 private:
  struct Block {
    u64 bytes, span;
    bool live;
  };
  std::map<u64, Block> blocks;
  std::map<u64, u64> graves;  // what was freed and not handed out again, for reports
  u64 nextFit = 0;
  u64 find(u64 span);
};

DeviceMemory &device_memory();
}  // namespace simt
