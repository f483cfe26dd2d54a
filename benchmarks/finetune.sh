#!/usr/bin/env bash
# A training step beside PyTorch's, in turns on this machine: all weights, AdamW, clipping, float32, about 8 x 128 tokens.
#
# usage: benchmarks/finetune.sh [MODEL_FOLDER] [TEXTS.jsonl]      PYTHON with torch and transformers; ROUNDS (default 3), THREADS (default 2)
#
# Defaults: ../shared/models/talespin-15m and its training texts. hoof reads texts as they come, so its batches are 1024 tokens of documents of
# every length, nothing padded; PyTorch gets 8 rows of 128. Seconds are scaled to 1024 tokens.
source "$(dirname "$0")/common.sh"
model=${1:-../shared/models/talespin-15m} texts=${2:-../shared/data/text/tinystories.jsonl}
python=${PYTHON:-python3} rounds=${ROUNDS:-3} threads=${THREADS:-2} steps=${STEPS:-12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

machine
echo "$(basename "$model"), $threads threads, $rounds rounds of $steps steps in turns; each figure is the median of the rounds' medians"
echo
for round in $(seq "$rounds"); do
  measure "$hoof" finetune "$model" --data "$texts" --max-tokens 129 --batch-tokens 1024 --steps "$steps" --lr 1e-5 --beta2 0.95 --f32 \
    --threads "$threads" --checkpoint-activations off --save-every 0 --quiet --force -o "$work/tuned.hoof" --log "$work/log.jsonl"
  # What the mapped file and the written one hold in memory is not the program's own.
  echo "$private $peak" >>"$work/hoof.memory"
  sed -n 's/.*"loss":.*"tokens":\([0-9]*\),.*"seconds":\([0-9.e-]*\),.*/\1 \2/p' "$work/log.jsonl" | tail -n +4 |
    awk '{ print $2 / $1 * 1024 }' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' >>"$work/hoof.seconds"
  "$python" benchmarks/pytorch_training.py "$model" --threads "$threads" --steps $((steps - 3)) --warmup 3 2>/dev/null | tail -1 >"$work/torch.json"
  sed 's/.*"seconds": \([0-9.]*\),.*/\1/' "$work/torch.json" >>"$work/torch.seconds"
  sed 's/.*"peak_bytes": \([0-9]*\),.*/\1/' "$work/torch.json" | awk '{ print $1 / 1048576 }' >>"$work/torch.memory"
done
middle() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ours=$(middle "$work/hoof.seconds") theirs=$(middle "$work/torch.seconds")
echo "| | s a step | tokens/s | peak memory, MiB |"
echo "|---|---|---|---|"
echo "$ours $(middle "$work/hoof.memory") $(awk '{ print $2 }' "$work/hoof.memory" | sort -n | tail -1)" |
  awk '{ printf "| hoof | %.3f | %.0f | %d of its own, %d with mapped files |\n", $1, 1024 / $1, $2, $3 }'
echo "$theirs $(middle "$work/torch.memory") $(sed 's/.*"torch": "\([^"]*\)".*/\1/' "$work/torch.json")" |
  awk '{ printf "| PyTorch %s, transformers, sdpa, fused AdamW | %.3f | %.0f | %d |\n", $3, $1, 1024 / $1, $2 }'
paste "$work/torch.seconds" "$work/hoof.seconds" | awk '{ print $1 / $2 }' | sort -n |
  awk '{ v[NR] = $1 } END { printf "\nhoof is %.2f times as fast (rounds: %.2f to %.2f)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
