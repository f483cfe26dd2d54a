#!/usr/bin/env bash
# The full study (all layers, all heads) beside the plain loop of pytorch_ablation.py, in turns on the same machine.
# usage: benchmarks/ablation.sh MODEL_FOLDER PROMPTS.json [THREADS=2] [RUNS=3]
#        (PYTHON: an interpreter with torch and transformers, default python3; without torch only hoof runs; HOOF: the program)
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
model=$(realpath "$1") prompts=$(realpath "$2") threads=${3:-2} runs=${4:-3} python=${PYTHON:-python3}
. "$(dirname "$0")/common.sh"
machine
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
beside=yes
"$python" -c 'import torch, transformers' 2>/dev/null || { beside=; echo "$python has no torch and transformers: only hoof runs" >&2; }
for ((run = 0; run < runs; run++)); do
  measure "$hoof" ablate "$model" --calibration "$prompts" --heads --threads "$threads" --quiet -o "$scratch/report.json" --force
  echo "$seconds" >>"$scratch/whole"
  # The study itself, without reading the model: what the other side counts, too.
  sed -n 's/^  "seconds": *\([0-9.e-]*\),*$/\1/p' "$scratch/report.json" >>"$scratch/ours"
  [ -z "$beside" ] || "$python" benchmarks/pytorch_ablation.py "$model" "$prompts" --device cpu --threads "$threads" 2>/dev/null |
    sed -n 's/.*"seconds": *\([0-9.e-]*\).*/\1/p' >>"$scratch/theirs"
done
peak=$("$hoof" bench --ops --threads "$threads" --backend cpu --filter 'matmul f32 2048' --seconds 1 --quiet --json |
  sed -n 's/.*"sgemm_flops_per_second": *\([0-9.e+]*\).*/\1/p' | head -1)
# "18 ablations …, 1.93 TFLOP necessary, …" on standard error.
flops=$("$hoof" ablate "$model" --calibration "$prompts" --heads --threads "$threads" --json 2>&1 >/dev/null |
  sed -n 's/.*, \([0-9.]*\) \([GTP]\)FLOP necessary.*/\1 \2/p' | tail -1 |
  awk '{ print $1 * ($2 == "P" ? 1e15 : $2 == "T" ? 1e12 : 1e9) }')
ours=$(median <"$scratch/ours")
echo "hoof: median $ours s, least $(least <"$scratch/ours") s of $runs runs, $threads threads (whole program: $(median <"$scratch/whole") s)"
if [ -n "$beside" ]; then
  theirs=$(median <"$scratch/theirs")
  echo "PyTorch loop: median $theirs s, least $(least <"$scratch/theirs") s"
  echo "$theirs $ours" | awk '{ printf "ratio: %.2f times faster\n", $1 / $2 }'
fi
if [ -n "$flops" ] && [ -n "$peak" ]; then
  echo "$flops $ours $peak" | awk '{ printf "%.2f TFLOP at %.0f GFLOP/s: %.0f %% of the sgemm peak of %.0f GFLOP/s\n", $1 / 1e12, $1 / $2 / 1e9, 100 * $1 / $2 / $3, $3 / 1e9 }'
fi
