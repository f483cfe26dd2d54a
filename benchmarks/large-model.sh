#!/usr/bin/env bash
# A made-up model of Llama 3.2 1B's shape from end to end: make, create --q8, inspect --verify, ablate all layers. Time and peak memory.
# usage: benchmarks/large-model.sh FOLDER PROMPTS [PROMPT_COUNT=8] [TYPE=q8]        (FOLDER: scratch with 5 GB free; PROMPTS: .txt, one a line)
[ $# -ge 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1") prompts=$(realpath "$2") count=${3:-8} type=${4:-q8}
. "$(dirname "$0")/common.sh"
machine
model=$folder/random-1b
head -n "$count" "$prompts" >"$folder/prompts.txt"
trap 'rm -f "$folder/large.hoof" "$folder/prompts.txt"' EXIT
printf '| step | s | peak resident, MiB | of it private, MiB |\n|---|---|---|---|\n'
step() {
  local name=$1
  shift
  measure "$@"
  echo "| $name | $seconds | $peak | $private |"
}
[ -d "$model" ] || step "random-model, f16" "$hoof" random-model --shape llama-3.2-1b -o "$model" --quiet
step "create --$type" "$hoof" create "$model" -o "$folder/large.hoof" "--$type" --force --quiet
step "inspect --verify" "$hoof" inspect "$folder/large.hoof" --verify
step "ablate, 16 layers, $count prompts of at most 64 tokens" "$hoof" ablate "$folder/large.hoof" --calibration "$folder/prompts.txt" --quiet
