#!/usr/bin/env bash
# Reading a prompt of 128 tokens and writing behind 128: hoof beside llama.cpp, on the same threads, alternating, medians of ROUNDS rounds.
# usage: benchmarks/decode.sh LLAMA_BENCH ROUNDS MODEL.hoof=MODEL.gguf…
#        (HOOF: the program; THREADS: of both, default all; PRECISIONS: hoof's, default "f32 int16"; WITH: a command both run under, for a
#        machine that is shared, as in WITH="chrt -r 1")
# Give it pairs with the same shapes and types, as `hoof export --gguf` makes them: what the weights say changes no time.
[ $# -ge 3 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
peer=$(realpath "$1")
rounds=$2
shift 2
pairs=()
for pair in "$@"; do pairs+=("$(realpath "${pair%%=*}")=$(realpath "${pair#*=}")"); done
. "$(dirname "$0")/common.sh"
threads=${THREADS:-$(nproc)}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
machine
echo "peer: llama-bench $("$peer" -m "${pairs[0]#*=}" -t 1 -p 0 -n 1 -r 1 -o json 2>/dev/null | sed -n 's/.*"build_commit": "\([^"]*\)".*/\1/p' | head -1)," \
  "$threads threads each"

run_hoof() {  # PRECISION MODEL ROUND
  ${WITH:-} "$hoof" bench --backend cpu --precision "$1" --threads "$threads" --prompt 128 --seconds 1 --json -q "$2" \
    > "$results/$3.$(basename "$2").hoof-$1.json"
}
run_peer() {  # MODEL ROUND NAME
  ${WITH:-} "$peer" -m "$1" -t "$threads" -p 128 -n 0 -r 2 -o json 2>/dev/null > "$results/$2.$3.llama-read.json"
  ${WITH:-} "$peer" -m "$1" -t "$threads" -p 0 -n 16 -d 128 -r 2 -o json 2>/dev/null > "$results/$2.$3.llama-write.json"
}

for round in $(seq "$rounds"); do
  for pair in "${pairs[@]}"; do
    model=${pair%%=*} name=$(basename "${pair%%=*}")
    # Who goes first changes from round to round.
    if [ $((round % 2)) = 1 ]; then run_peer "${pair#*=}" "$round" "$name"; fi
    for precision in ${PRECISIONS:-f32 int16}; do run_hoof "$precision" "$model" "$round"; done
    if [ $((round % 2)) = 0 ]; then run_peer "${pair#*=}" "$round" "$name"; fi
  done
done
python3 benchmarks/decode_table.py "$results"
