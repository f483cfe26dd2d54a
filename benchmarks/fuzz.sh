#!/bin/sh
# Mutated inputs against every parser, with the address sanitizer: benchmarks/fuzz.sh [INPUTS [SEED [TARGET]]]
set -eu
cd "$(dirname "$0")/.."
# A scratch path of its own: objects with and without the sanitizer do not mix.
swift build --product hoof-fuzz --sanitize=address --scratch-path .build/fuzz -Xswiftc -O
ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 .build/fuzz/debug/hoof-fuzz "$@"
