#!/usr/bin/env bash
# How much a server writes for one reader and for eight, and whether it bears 64 at once without an error or growing memory:
# benchmarks/serve-soak.sh [SECONDS [MODEL]]. Fails when 8 streams are not 3 times as fast as one, or when anything goes wrong.
. "$(dirname "$0")/common.sh"
seconds=${1:-60}
model=${2:-../shared/models/talespin-15m}
[ -e "$model" ] || model=examples/talespin-tiny
work=$(mktemp -d)
"$hoof" serve "$model" --port 0 -q >"$work/url" 2>"$work/errors" &
server=$!
trap 'kill -9 $server 2>/dev/null || true; rm -rf "$work"' EXIT
until [ -s "$work/url" ]; do
  kill -0 $server || { cat "$work/errors" >&2; exit 1; }
  sleep 0.05
done
machine
echo "model: $model"
python3 benchmarks/serve_load.py "$(cat "$work/url")" $server "$seconds"
kill -TERM $server
wait $server
