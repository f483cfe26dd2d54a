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
swift build -c release --product hoof --scratch-path .build/universal --static-swift-stdlib \
  -Xswiftc -L"$libraries" -Xswiftc -Xclang-linker -Xswiftc -static-libgcc -Xlinker -s
