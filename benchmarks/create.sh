#!/usr/bin/env bash
# Time and memory of hoof create on a made-up F16 model of Llama 3.2 1B's shape, 1.24 billion weights: --f16, --q8 and --q4k in turns.
# usage: benchmarks/create.sh FOLDER [RUNS=3]        (FOLDER: scratch with 6 GB free; HOOF: the program)
[ $# -ge 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1") runs=${2:-3}
. "$(dirname "$0")/common.sh"
machine
model=$folder/random-1b
[ -d "$model" ] || "$hoof" random-model --shape llama-3.2-1b -o "$model"
trap 'rm -f "$folder/create.hoof" "$folder"/create-*.txt' EXIT
rm -f "$folder"/create-*.txt
for ((run = 0; run < runs; run++)); do
  for type in f16 q8 q4k; do
    # In the file cache, so that the disk that it is read from is no part of the time; writing is.
    cat "$model"/*.safetensors >/dev/null
    measure "$hoof" create "$model" -o "$folder/create.hoof" --$type --force --quiet
    echo "$seconds $peak $private $(stat -c %s "$folder/create.hoof")" >>"$folder/create-$type.txt"
  done
done
printf '| type | file, MB | median, s | least, s | peak resident, MiB | of it private, MiB |\n|---|---|---|---|---|---|\n'
for type in f16 q8 q4k; do
  column() { cut -d' ' -f"$1" "$folder/create-$type.txt"; }
  echo "| $type | $(column 4 | head -1 | awk '{ printf "%.0f", $1 / 1e6 }') | $(column 1 | median) | $(column 1 | least) |" \
    "$(column 2 | sort -n | tail -1) | $(column 3 | sort -n | tail -1) |"
done
