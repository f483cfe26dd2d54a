#!/usr/bin/env bash
# A training step beside PyTorch's, in turns on this machine: all weights, AdamW, clipping, float32, 8 x 128 tokens.
#
# usage: benchmarks/finetune.sh [MODEL_FOLDER] [TEXTS.jsonl]      PYTHON with torch and transformers; ROUNDS (default 3), THREADS (default 2)
#
# Defaults: ../shared/models/talespin-15m and its training texts ({"text": …} a line), which are joined to one and cut into pieces of 128 tokens
# behind a begin token. Needs a quiet machine: a neighbour that takes memory bandwidth turns the figure.
source "$(dirname "$0")/common.sh"
model=${1:-../shared/models/talespin-15m} texts=${2:-../shared/data/text/tinystories.jsonl}
python=${PYTHON:-python3} rounds=${ROUNDS:-3} threads=${THREADS:-2} steps=${STEPS:-12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One text, so that all pieces but the last have the full length.
{ printf '{"text": "'; sed 's/^{"text": "//; s/"}$//' "$texts" | awk '{ printf "%s\\n", $0 }'; printf '"}\n'; } >"$work/texts.jsonl"

machine
echo "$(basename "$model"), $threads threads, $rounds rounds of $steps steps in turns; each figure is the median of the rounds' medians"
echo
for round in $(seq "$rounds"); do
  measure "$hoof" finetune "$model" --data "$work/texts.jsonl" --max-tokens 129 --batch 8 --steps "$steps" --lr 1e-5 --beta2 0.95 --f32 \
    --threads "$threads" --checkpoint-activations off --save-every 0 --quiet --force -o "$work/tuned.hoof" --log "$work/log.jsonl"
  # What the mapped file and the written one hold in memory is not the program's own.
  echo "$private $peak" >>"$work/hoof.memory"
  sed -n 's/.*"loss":.*"tokens":\([0-9]*\),.*"seconds":\([0-9.e-]*\),.*/\1 \2/p' "$work/log.jsonl" | tail -n +4 |
    awk '{ print $2 / $1 * 1024 }' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1] }' >"$work/hoof.round"
  cut -d' ' -f1 "$work/hoof.round" >>"$work/hoof.seconds"
  cut -d' ' -f2 "$work/hoof.round" >>"$work/hoof.least"
  "$python" benchmarks/pytorch_training.py "$model" --threads "$threads" --steps $((steps - 3)) --warmup 3 2>/dev/null | tail -1 >"$work/torch.json"
  sed 's/.*"seconds": \([0-9.]*\),.*/\1/' "$work/torch.json" >>"$work/torch.seconds"
  sed 's/.*"least": \([0-9.]*\),.*/\1/' "$work/torch.json" >>"$work/torch.least"
  sed 's/.*"peak_bytes": \([0-9]*\),.*/\1/' "$work/torch.json" | awk '{ print $1 / 1048576 }' >>"$work/torch.memory"
done
middle() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ours=$(middle "$work/hoof.seconds") theirs=$(middle "$work/torch.seconds")
echo "| | s a step | least | tokens/s | peak memory, MiB |"
echo "|---|---|---|---|---|"
echo "$ours $(sort -n "$work/hoof.least" | head -1) $(middle "$work/hoof.memory") $(awk '{ print $2 }' "$work/hoof.memory" | sort -n | tail -1)" |
  awk '{ printf "| hoof | %.3f | %.3f | %.0f | %d of its own, %d with mapped files |\n", $1, $2, 1024 / $1, $3, $4 }'
echo "$theirs $(sort -n "$work/torch.least" | head -1) $(middle "$work/torch.memory") $(sed 's/.*"torch": "\([^"]*\)".*/\1/' "$work/torch.json")" |
  awk '{ printf "| PyTorch %s, transformers, sdpa, fused AdamW | %.3f | %.3f | %.0f | %d |\n", $4, $1, $2, 1024 / $1, $3 }'
paste "$work/torch.seconds" "$work/hoof.seconds" | awk '{ print $1 / $2 }' | sort -n |
  awk '{ v[NR] = $1 } END { printf "\nhoof is %.2f times as fast (rounds: %.2f to %.2f)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
