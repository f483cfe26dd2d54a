#!/usr/bin/env bash
# Does choosing layers per text beat a static cut? The tables of `hoof research skip` for mixtures of kinds of text and for one kind alone.
# usage: benchmarks/dynamic-skipping.sh MODEL TEXT_FOLDER [SCRATCH_FOLDER] [DROPS="1 2"] [CALIBRATION_TEXTS=160] [HELD_OUT_TEXTS=400] [WORDS FOR hoof…]
#        (the text folder is what benchmarks/skip_texts.py reads)
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
model=$(realpath "$1") texts=$(realpath "$2") scratch=${3:-$(mktemp -d)} drops=${4:-1 2} calibration=${5:-160} heldout=${6:-400}
scratch=$(mkdir -p "$scratch" && realpath "$scratch")
. "$(dirname "$0")/common.sh"
machine
for kinds in "stories wiki" "stories wiki books plays" "stories"; do
  folder=$scratch/${kinds// /-}
  # Word splitting is wanted: one argument for each kind.
  python3 benchmarks/skip_texts.py "$texts" "$folder" "$calibration" "$heldout" $kinds
  for drop in $drops; do
    echo; echo "## $kinds, $drop layers"
    "$hoof" research skip "$model" --calibration "$folder/calibration.jsonl" --data "$folder/heldout.jsonl" --drop "$drop" --quiet \
      -o "$folder/drop-$drop.json" --force "${@:7}"
  done
done
