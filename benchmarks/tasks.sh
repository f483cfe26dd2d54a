#!/usr/bin/env bash
# HellaSwag and MMLU beside lm-evaluation-harness with transformers, in turns on this machine: whole commands, the same threads and files.
#
# usage: benchmarks/tasks.sh [MODEL_FOLDER] [DATA_FOLDER]      PYTHON with lm_eval, torch and transformers; ROUNDS (default 3), THREADS (2),
#                                                             BATCH (the size there; default: auto)
#
# Defaults: ../shared/models/talespin-15m and the slices in ../shared/data/tasks, which the harness reads by the definitions in
# ../shared/reference/lm_tasks. Scores are compared as well.
source "$(dirname "$0")/common.sh"
model=${1:-../shared/models/talespin-15m} data=${2:-../shared/data/tasks}
python=${PYTHON:-python3} rounds=${ROUNDS:-3} threads=${THREADS:-2} batch=${BATCH:-auto}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tasks"
for task in hellaswag mmlu; do
  sed "s#data_files:#&#; s#test: .*/#test: $(realpath "$data")/#" "../shared/reference/lm_tasks/${task}_hoof_shared.yaml" >"$work/tasks/$task.yaml"
done
export OMP_NUM_THREADS=$threads HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 TOKENIZERS_PARALLELISM=false

machine
echo "$(basename "$model"), HellaSwag and MMLU slices, $threads threads, $rounds rounds in turns; batch size $batch there"
echo
for round in $(seq "$rounds"); do
  measure "$hoof" eval "$model" --tasks hellaswag,mmlu --data "$data" --threads "$threads" --no-cache --quiet --force \
    -o "$work/hoof.json"
  echo "$seconds" >>"$work/hoof.seconds"
  echo "$peak" >>"$work/hoof.peak"
  measure "$python" -m lm_eval --model hf --model_args "pretrained=$model,dtype=float32,add_bos_token=True" --device cpu --batch_size "$batch" \
    --tasks hellaswag_hoof_shared,mmlu_hoof_shared --include_path "$work/tasks" --output_path "$work/out" 2>"$work/lm.txt"
  echo "$seconds" >>"$work/lm.seconds"
  echo "$peak" >>"$work/lm.peak"
  sed -n 's/.*"total_evaluation_time_seconds": "\([0-9.]*\)".*/\1/p' "$(find "$work/out" -name 'results_*.json' | sort | tail -1)" >>"$work/lm.own"
done
middle() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
echo "| | whole command, s | peak memory, MiB |"
echo "|---|---|---|"
echo "| hoof | $(middle "$work/hoof.seconds") | $(middle "$work/hoof.peak") |"
echo "| lm_eval | $(middle "$work/lm.seconds") (evaluation alone $(middle "$work/lm.own")) | $(middle "$work/lm.peak") |"
paste "$work/lm.seconds" "$work/hoof.seconds" "$work/lm.own" | awk '{ print $1 / $2, $3 / $2 }' | sort -n |
  awk '{ v[NR] = $1; w[NR] = $2 } END { printf "\nhoof is %.2f times as fast (rounds: %.2f to %.2f); against the evaluation alone %.2f times\n", v[int((NR + 1) / 2)], v[1], v[NR], w[int((NR + 1) / 2)] }'
echo
# MMLU's file is one task there and five subjects here.
"$python" - "$work/hoof.json" "$(find "$work/out" -name 'results_*.json' | sort | tail -1)" <<'PY'
import json, sys
ours, theirs = (json.load(open(path))["results"] for path in sys.argv[1:])
print("| | hoof | lm_eval |\n|---|---|---|")
for name, metric, other in [("hellaswag", "acc", "hellaswag"), ("hellaswag", "acc_norm", "hellaswag"), ("mmlu", "acc", "mmlu")]:
    print(f"| {name}, {metric} | {ours[name][metric + ',none']:.4f} | {theirs[other + '_hoof_shared'][metric + ',none']:.4f} |")
PY
