#!/usr/bin/env bash
# What is shipped, as those meet it who get it: a package where there is nothing but glibc, the server asked by OpenAI's client, by curl and by a
# fuzzer, the chat page in headless Chromium, first with a server that does what the check says, then with the package's own.
# Needs what scripts/run.sh has built. Parts whose tools cannot be had are left out with a line that says so.
set -euo pipefail
cd "$(dirname "$0")/.."
hoof=.build/universal/release/hoof
[ -x "$hoof" ] || { echo "$hoof is not there: make universal" >&2; exit 1; }
scripts/setup.sh curl python3 python3-venv chromium || echo "going on without what could not be installed" >&2

Tests/package/check.sh "$hoof"
HOOF=$hoof Tests/serving/run.sh 300

command -v python3 >/dev/null || { echo "the page is not checked: no python3"; exit 0; }
Tests/page/check_page.py
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
"$hoof" package examples/talespin-tiny --universal -o "$scratch/storyteller" --quiet
"$hoof" create examples/talespin-tiny --drop-layers 3 -o "$scratch/cut.hoof" --quiet >/dev/null
"$scratch/storyteller" serve "$scratch/cut.hoof" --port 0 --quiet >"$scratch/url" &
server=$!
for _ in $(seq 100); do [ -s "$scratch/url" ] && break; sleep 0.1; done
Tests/page/check_page.py --url "$(head -1 "$scratch/url")"
