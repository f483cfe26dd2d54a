#!/usr/bin/env bash
# Builds .build/universal/release/hoof, which needs nothing but glibc 2.35 or newer: Swift's runtime, OpenBLAS, libevent, PCRE2 and the C++ library
# are linked into it, and its symbols are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
# Swift's link line says -lstdc++, which finds the shared one first; a folder that has the archive alone comes before it.
libraries=$PWD/.build/universal/libraries
mkdir -p "$libraries"
archive=$(clang -print-file-name=libstdc++.a)
[ -e "$archive" ] || archive=$(find /usr/lib/gcc -name libstdc++.a | sort -V | tail -1)
ln -sfn "$archive" "$libraries/libstdc++.a"
# OpenBLAS has kernels for two dozen processors, 20 MB of them. hoof has its own for AVX2 and AVX-512; what is left to OpenBLAS does not need one for
# each old model: those get the kernels of the nearest that has no instruction they lack.
same() { for core in "${@:2}"; do printf -- '-Xlinker --defsym=gotoblas_%s=gotoblas_%s ' "$core" "$1"; done; }
cores=$(same PRESCOTT CORE2 PENRYN DUNNINGTON ATOM NANO BARCELONA BOBCAT OPTERON OPTERON_SSE3 ATHLON
  same SANDYBRIDGE BULLDOZER PILEDRIVER STEAMROLLER
  same HASWELL EXCAVATOR ZEN
  same SKYLAKEX COOPERLAKE)
# shellcheck disable=SC2086
swift build -c release --product hoof --scratch-path .build/universal --static-swift-stdlib \
  -Xswiftc -L"$libraries" -Xswiftc -Xclang-linker -Xswiftc -static-libgcc -Xlinker -s $cores
