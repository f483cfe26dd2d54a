#!/usr/bin/env bash
# What others make of exported models: transformers (logits, perplexity), the gguf package (every weight), llama.cpp (perplexity, greedy text).
# usage: Tests/exchange/peers.sh [MODEL_FOLDER...]   (default: ../shared/models/talespin-15m and stories260K)
#        PYTHON: an interpreter with torch, transformers and gguf (default python3); LLAMA: a folder with llama-perplexity and
#        llama-completion, for llama.cpp's part; HOOF: the program; TEXT: what perplexity is measured on
# Peers that are not there are left out, with a line that says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
hoof=${HOOF:-.build/release/hoof} python=${PYTHON:-python3} shared=../shared
text=${TEXT:-$shared/data/text/tinystories_valid_a.txt} prompts=$shared/data/prompts.txt
[ -x "$hoof" ] || { echo "exchange: $hoof is not built" >&2; exit 1; }
[ -r "$text" ] || { echo "exchange: the real models and texts of $shared are absent; skipped"; exit 0; }
"$python" -c 'import torch, transformers, gguf' 2>/dev/null || {
  echo "exchange: $python has no torch, transformers and gguf; skipped"
  exit 0
}
[ $# -gt 0 ] || set -- "$shared/models/talespin-15m" "$shared/models/stories260K"
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
head -c 60000 "$text" >"$scratch/text.txt"
failed=0

# check FILE_OR_FOLDER: everything the peers can say about one model.
check() {
  local model=$1 name
  name=$(basename "$model")
  rm -rf "$scratch/hf" "$scratch/m.gguf"
  "$hoof" export "$model" --hf "$scratch/hf" -q >/dev/null
  "$hoof" export "$model" --gguf "$scratch/m.gguf" -q >/dev/null
  "$hoof" create "$model" -o "$scratch/plain.hoof" --f32 --force -q >/dev/null
  echo "== $name: $("$hoof" inspect "$scratch/m.gguf" | sed -n 's/^parameters *//p')"
  "$python" Tests/exchange/peers.py logits "$scratch/plain.hoof" "$scratch/hf" || failed=1
  "$python" Tests/exchange/peers.py weights "$scratch/hf" "$scratch/m.gguf" || failed=1
  local ours theirs imported
  ours=$("$hoof" eval "$model" --perplexity "$scratch/text.txt" --window 256 --json -q | "$python" Tests/exchange/peers.py field perplexity)
  imported=$("$hoof" eval "$scratch/m.gguf" --perplexity "$scratch/text.txt" --window 256 --json -q | "$python" Tests/exchange/peers.py field perplexity)
  theirs=$("$python" Tests/exchange/peers.py perplexity "$scratch/hf" "$scratch/text.txt" 256)
  "$python" Tests/exchange/peers.py close "perplexity of the GGUF read back" "$imported" "$ours" 1e-5 || failed=1
  "$python" Tests/exchange/peers.py close "perplexity of the folder in transformers" "$theirs" "$ours" 1e-4 || failed=1
  if [ -n "${LLAMA:-}" ]; then
    # llama.cpp rounds activations to 8 bits where weights are quantised, and to 16 for f16 and bf16 weights.
    ours=$("$hoof" eval "$model" --perplexity "$scratch/text.txt" --protocol llama.cpp --window 256 --json -q | "$python" Tests/exchange/peers.py field perplexity)
    theirs=$("$LLAMA/llama-perplexity" -m "$scratch/m.gguf" -f "$scratch/text.txt" -c 256 -b 256 -t 2 2>&1 | sed -n 's/.*Final estimate: PPL = \([0-9.]*\).*/\1/p')
    "$python" Tests/exchange/peers.py close "perplexity in llama.cpp" "${theirs:-nan}" "$ours" 3e-3 || failed=1
    "$LLAMA/llama-completion" -m "$scratch/m.gguf" -p "Once upon a time" -n 40 --temp 0 -no-cnv -t 2 --simple-io --no-warmup 2>/dev/null >"$scratch/said" </dev/null || true
    "$python" Tests/exchange/peers.py greedy "$scratch/hf" "$scratch/said" "Once upon a time" || failed=1
  fi
}

for source in "$@"; do
  check "$source"
  base=$scratch/$(basename "$source")
  # The same cut in every type: a layer, two sublayers, heads and neurons go.
  for type in f32 q8 q4k; do
    "$hoof" create "$source" -o "$base-cut-$type.hoof" "--$type" --drop-layers 3 --drop-attention 1 --drop-mlp 2 --prune-heads each:0.5 \
      --prune-neurons 0.02 --calibration "$prompts" -q >/dev/null
    check "$base-cut-$type.hoof"
  done
  # Types that are only read: what the gguf package writes in them must give the same values here.
  "$hoof" export "$source" --gguf "$base.gguf" -q >/dev/null
  for type in Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 BF16 F16 Q4_K Q5_K Q6_K; do
    "$python" Tests/exchange/peers.py retype "$base.gguf" "$scratch/$type.gguf" "$type" || continue
    "$hoof" export "$scratch/$type.gguf" --hf "$scratch/$type" --dtype f32 --force -q >/dev/null
    "$python" Tests/exchange/peers.py weights "$scratch/$type" "$scratch/$type.gguf" || failed=1
    rm -r "${scratch:?}/$type" "$scratch/$type.gguf"
  done
done
[ -n "${LLAMA:-}" ] || echo "exchange: LLAMA is not set; llama.cpp was not asked"
[ $failed = 0 ] && echo "exchange: all peers agree" || { echo "exchange: peers disagree"; exit 1; }
