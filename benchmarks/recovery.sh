#!/usr/bin/env bash
# How much of what a cut cost comes back: distillation of a model without three layers, its held-out loss and its time; and the recovery table of
# every way of healing.
# usage: benchmarks/recovery.sh MODEL CALIBRATION TRAINING_TEXTS HELDOUT_TEXT OTHER_TEXT [SCRATCH_FOLDER] [DROPS=1-3] [STEPS=60]
[ $# -ge 5 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
model=$(realpath "$1") calibration=$(realpath "$2") training=$(realpath "$3") heldout=$(realpath "$4") other=$(realpath "$5")
scratch=${6:-$(mktemp -d)} drops=${7:-1-3} steps=${8:-60}
scratch=$(mkdir -p "$scratch" && realpath "$scratch")
. "$(dirname "$0")/common.sh"
machine

echo; echo "## Three layers fewer, distilled for $steps steps of 8 texts of 128 tokens"
"$hoof" prune "$model" --method greedy --drop 3 --calibration "$calibration" -o "$scratch/cut.hoof" --force --quiet >/dev/null
measure "$hoof" finetune "$scratch/cut.hoof" --teacher "$model" --data "$training" --max-tokens 129 --steps "$steps" --lr 2e-4 \
  --save-every 0 -o "$scratch/healed.hoof" --force --quiet
echo "trained in $seconds s, peak $peak MiB resident, $private MiB of it private"
for one in "$model" "$scratch/cut.hoof" "$scratch/healed.hoof"; do
  "$hoof" eval "$one" --perplexity "$heldout" --window 256 --quiet
done

echo; echo "## Every way of healing, layers removed $drops"
"$hoof" compare "$model" --strategies greedy --drop "$drops" --calibration "$calibration" --heal none,patch,patch-tuned,lora,sft,distill \
  --heal-steps "$steps" --heal-data "$training" --data "$heldout" --window 256 --windows 116 --ood "$other" --runs 4 --warmup 1 \
  --prompt-tokens 128 --gen-tokens 16 --format markdown --quiet --html "$scratch/recovery.html" --force
