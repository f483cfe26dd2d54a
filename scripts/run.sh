#!/usr/bin/env bash
# The main job on the example model: sets up, builds, runs a complete ablation study on the CPU, whose report is out/ablation.html, and packages the
# model as out/storyteller.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/universal.sh
hoof=.build/universal/release/hoof
mkdir -p out
"$hoof" create examples/talespin-tiny -o out/talespin-tiny.hoof --force
"$hoof" ablate out/talespin-tiny.hoof --calibration examples/prompts.txt --sublayers --heads --kv-groups --neurons --proxies \
  --suggest-drop 2 -o out/ablation.json --html out/ablation.html --force --resume "$@"
"$hoof" package out/talespin-tiny.hoof --universal -o out/storyteller --force --quiet
echo "The report to look at: $PWD/out/ablation.html"
echo "The model to talk with: $PWD/out/storyteller"
