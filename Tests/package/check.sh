#!/usr/bin/env bash
# A package of the example model where there is nothing but glibc: a root folder with the loader, libc and libm, no /proc, no /etc, no BLAS, no
# Swift. It has to write the same text there as hoof does here, serve its page and answer over HTTP, and be small.
# usage: Tests/package/check.sh [HOOF=.build/universal/release/hoof] [MODEL=examples/talespin-tiny]
set -euo pipefail
cd "$(dirname "$0")/../.."
hoof=${1:-.build/universal/release/hoof} model=${2:-examples/talespin-tiny}
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
fail() { echo "package: $*" >&2; exit 1; }

"$hoof" package "$model" --universal -o "$scratch/pitcher" --name pitcher --json --quiet >"$scratch/report.json"
"$hoof" create "$model" -o "$scratch/model.hoof" --quiet >/dev/null
over=$(($(stat -c %s "$scratch/pitcher") - $(stat -c %s "$scratch/model.hoof")))
[ "$over" -le 45000000 ] || fail "$over bytes on top of the model; 45 MB are allowed"
echo "package: $((over / 1000000)) MB on top of the model"

root=$scratch/root
mkdir -p "$root"
cp "$scratch/pitcher" "$root/pitcher"
libraries=$(ldd "$scratch/pitcher" | grep -o '/[^ ]*')
for library in $libraries; do
  case $(basename "$library") in
    libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | librt.so.1 | ld-linux-*) ;;
    *) fail "needs $library" ;;
  esac
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
if [ "$(id -u)" -eq 0 ]; then bare=(chroot "$root"); else bare=(unshare --user --map-root-user chroot "$root"); fi
"${bare[@]}" /pitcher --version >/dev/null || { echo "package: not tried in an empty root folder: no right to change it" >&2; exit 0; }

words=(generate -p "Once upon a time" -n 40 --temperature 0 --quiet)
"${bare[@]}" /pitcher "${words[@]}" >"$scratch/there.txt"
"$hoof" generate "$scratch/model.hoof" "${words[@]:1}" >"$scratch/here.txt"
cmp "$scratch/there.txt" "$scratch/here.txt" || fail "writes another text in an empty root folder"
"${bare[@]}" /pitcher inspect >/dev/null
"${bare[@]}" /pitcher create x 2>"$scratch/refusal.txt" && fail "knows a command it should not have"
grep -q "a package has no command 'create'" "$scratch/refusal.txt" || fail "says: $(cat "$scratch/refusal.txt")"
grep -q "Run 'pitcher --help'" "$scratch/refusal.txt" || fail "calls itself something else: $(cat "$scratch/refusal.txt")"

# Started bare: a free port, the address on standard output.
"${bare[@]}" /pitcher >"$scratch/address.txt" 2>"$scratch/server.txt" &
server=$!
for _ in $(seq 100); do [ -s "$scratch/address.txt" ] && break; sleep 0.1; done
address=$(head -1 "$scratch/address.txt")
[ -n "$address" ] || fail "does not serve: $(cat "$scratch/server.txt")"
if command -v curl >/dev/null; then
  # Into files: grep -q leaves before curl has written all, which pipefail takes for a failure.
  curl -sf "$address" >"$scratch/page.html" && grep -qi '<!doctype html>' "$scratch/page.html" || fail "no page at $address"
  curl -sf "${address}v1/models" >"$scratch/models.json" && grep -q '"pitcher"' "$scratch/models.json" || fail "no model called pitcher"
  curl -sf "${address}v1/completions" -H 'Content-Type: application/json' \
    -d '{"model": "pitcher", "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}' >"$scratch/completion.json" || fail "no completion"
  grep -q '"text"' "$scratch/completion.json" || fail "no text in $(cat "$scratch/completion.json")"
else
  echo "package: not asked over HTTP: there is no curl" >&2
fi
kill -TERM "$server"
wait "$server" || [ $? -eq 143 ] || fail "does not end when it is told to"
server=
echo "package: runs in an empty root folder, writes the same text, serves"
