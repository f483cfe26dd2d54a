#!/usr/bin/env bash
# Sets up and runs all tests. Release build: numeric tests take minutes otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh openmpi-bin
swift build -c release --product hoof
swift test -c release "$@"
