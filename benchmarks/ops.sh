#!/usr/bin/env bash
# Every op against the machine's roofs, and matrix products beside plain OpenBLAS.
# usage: benchmarks/ops.sh RESULTS.json [BENCH OPTIONS…]        (HOOF: the program; OPENBLAS_CORETYPE: the other side's kernels)
[ $# -ge 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
out=$(realpath "$1")
shift
. "$(dirname "$0")/common.sh"
machine
"$hoof" bench --ops -o "$out" --force "$@"
