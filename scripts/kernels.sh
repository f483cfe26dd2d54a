#!/usr/bin/env bash
# Compiles Sources/CKernels/cuda/*.cu to the PTX beside them; needs neither a GPU nor CUDA. 'scripts/kernels.sh --help' lists what it does.
set -euo pipefail
export PYTHONUTF8=1
exec python3 "$(dirname "$0")/kernels.py" "$@"
