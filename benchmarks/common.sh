# Sourced by the other scripts: the machine's description, time and memory of a command, medians.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hoof=${HOOF:-.build/release/hoof}
[ -x "$hoof" ] || { echo "$hoof is not there: swift build -c release --product hoof" >&2; exit 1; }

# CPU model, cores, SIMD, memory, system, date and load: a number means nothing without them.
machine() {
  local model simd memory
  model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
  simd=$("$hoof" backends 2>/dev/null | sed -n 's/^ *SIMD  *//p' | head -1)
  memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
  echo "machine: $model, family $(sed -n 's/^cpu family[^:]*: *//p' /proc/cpuinfo | head -1), $(nproc) cores, $simd, $memory," \
    "$(. /etc/os-release && echo "$PRETTY_NAME"), $(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg)"
}

# measure COMMAND…: runs it with its standard output discarded and sets seconds, peak (all resident pages, those of mapped files included)
# and private (memory of its own), both in MiB. Sampled every 20 ms from /proc.
measure() {
  local start pid status=0 all=0 own=0 now_all now_own
  start=$(date +%s.%N)
  "$@" >/dev/null &
  pid=$!
  while read -r now_all now_own < <(awk '/^VmHWM/ { a = $2 } /^RssAnon/ { b = $2 } END { if (a) print a, b }' "/proc/$pid/status" 2>/dev/null); do
    all=$((now_all > all ? now_all : all))
    own=$((now_own > own ? now_own : own))
    sleep 0.02
  done
  wait "$pid" || status=$?
  seconds=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.2f", $1 - $2 }')
  peak=$((all / 1024))
  private=$((own / 1024))
  return $status
}

# Of the numbers on standard input: median and least.
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
least() { sort -n | head -1; }
