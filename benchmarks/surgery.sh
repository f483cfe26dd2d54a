#!/usr/bin/env bash
# What cuts cost and gain: held-out KL and perplexity by method and number of layers on a real model; time and layer passes of the greedy search;
# speed of a made-up TinyLlama with 7 of 22 layers, and with 30 % of its neurons, gone; memory of making cuts.
# usage: benchmarks/surgery.sh MODEL CALIBRATION HELDOUT_TEXT [SCRATCH_FOLDER] [DROPS=1-7] [RUNS=10]
#        (the scratch folder keeps the made-up model, 2.2 GB, for the next time)
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
model=$(realpath "$1") calibration=$(realpath "$2") heldout=$(realpath "$3") scratch=${4:-$(mktemp -d)} drops=${5:-1-7} runs=${6:-10}
scratch=$(mkdir -p "$scratch" && realpath "$scratch")
. "$(dirname "$0")/common.sh"
machine

echo; echo "## Methods, layers removed 0 to ${drops#*-}"
"$hoof" compare "$model" --strategies tail,first,middle,random,magnitude,attention-norm,shortgpt,angular,ablation,segment,greedy --drop "$drops" \
  --calibration "$calibration" --data "$heldout" --windows 24 --runs "$runs" --format markdown --quiet --html "$scratch/methods.html" --force

echo; echo "## The greedy search"
"$hoof" prune "$model" --method greedy --drop "${drops#*-}" --calibration "$calibration" --dry-run 2>&1 >/dev/null | grep 'layer passes'

echo; echo "## Speed of a cut TinyLlama (random weights)"
big=$scratch/tinyllama
[ -d "$big" ] || "$hoof" random-model --shape tinyllama-1.1b --dtype bf16 -o "$big" --quiet
echo "The quick brown fox jumps over the lazy dog, and nobody knows why it does that every single day of the year." >"$scratch/text.txt"
for ((line = 0; line < 8; line++)); do cat "$scratch/text.txt"; done >"$scratch/calibration.txt"
step() {
  local name=$1
  shift
  measure "$@"
  echo "$name: $seconds s, peak $peak MiB resident, $private MiB of it private"
}
step "create, all of it" "$hoof" create "$big" -o "$scratch/base.hoof" --force --quiet
step "prune, 7 of 22 layers" "$hoof" prune "$big" -o "$scratch/layers.hoof" --method middle --drop 7 --force --quiet
step "create, 30 % of the neurons" "$hoof" create "$big" -o "$scratch/neurons.hoof" --neuron-ratio 0.3 --calibration "$scratch/calibration.txt" --force --quiet
"$hoof" compare "$scratch/base.hoof" "$scratch/layers.hoof" "$scratch/neurons.hoof" --data "$scratch/calibration.txt" --windows 1 --runs "$runs" \
  --prompt-tokens 256 --format markdown --quiet
