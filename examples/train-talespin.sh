#!/usr/bin/env bash
# Trains the example model anew: examples/talespin-tiny, 1.7 million weights that tell very short stories, from random weights with hoof alone.
# Its tokenizer stays what it is.
#
# usage: examples/train-talespin.sh STORIES.jsonl [MORE.txt] [-- OPTION…]      about ten minutes on two cores
#
# STORIES.jsonl has a story per line, {"text": …}; MORE.txt stories in paragraphs. What is in the repository was made of 1.2 MB of TinyStories
# (CDLA-Sharing 1.0): `tinystories.jsonl`, 1000 stories, and `tinystories_valid_a.txt`. A twentieth is held out, and the state that predicts it
# best is kept. Options go to `hoof finetune`; OUT=FOLDER/ writes elsewhere, HOOF=FILE takes another hoof.
set -euo pipefail
cd "$(dirname "$0")/.."
hoof=${HOOF:-.build/release/hoof}
out=${OUT:-examples/talespin-tiny/}
[ $# -ge 1 ] && [ "$1" != -- ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$1" >"$work/stories.jsonl"
shift
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  # A story begins as stories do; paragraphs are joined until then.
  awk 'function tell() { if (text != "") print "{\"text\": \"" text "\"}"; text = "" }
    NF { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, " "); gsub(/\r/, "")
      if ($0 ~ /^(Once |One day|There was|A long time|Lily |Tom |Ben )/) tell()
      text = text (text == "" ? "" : "\\n\\n") $0 }
    END { tell() }' "$1" >>"$work/stories.jsonl"
  shift
fi
[ $# -eq 0 ] || shift
"$hoof" finetune --init examples/talespin-tiny/config.json --tokenizer examples/talespin-tiny/tokenizer.json --data "$work/stories.jsonl" \
  --eval-split 0.05 --eval-every 100 --keep-best --max-tokens 384 --batch-tokens 2048 --epochs 10 --lr 3e-3 --warmup 100 --min-lr 3e-5 \
  --beta2 0.95 --weight-decay 0.1 --seed 1 --bf16 --force \
  --log "$work/log.jsonl" -o "$out" "$@"
# Of the log, what was measured on the held-out stories and every hundredth step.
awk '/held_out/ || /"step":[0-9]*00,/' "$work/log.jsonl" >"${out%/}/train_log.jsonl"
