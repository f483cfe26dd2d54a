#!/usr/bin/env bash
# The real program, asked by OpenAI's own Python client, by curl and by a fuzzer: Tests/serving/run.sh [FUZZ_REQUESTS]
# Needs .build/release/hoof (or HOOF=…), curl and python3. The part with OpenAI's client is left out where PyPI cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/../.."
hoof=${HOOF:-.build/release/hoof}
[ -x "$hoof" ] || { echo "$hoof is not there: swift build -c release --product hoof" >&2; exit 1; }
for tool in curl python3; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done

work=$(mktemp -d)
servers=()
finish() {
  for pid in "${servers[@]}"; do
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# start NAME OPTION…: a server on a free port; sets pid and url.
start() {
  local name=$1
  shift
  "$hoof" serve "$@" --port 0 -q >"$work/$name.url" 2>"$work/$name.err" &
  pid=$!
  servers+=("$pid")
  for _ in $(seq 200); do
    [ -s "$work/$name.url" ] && break
    kill -0 "$pid" 2>/dev/null || fail "the server $name ended: $(cat "$work/$name.err")"
    sleep 0.05
  done
  url=$(cat "$work/$name.url")
  [ -n "$url" ] || fail "the server $name has not said where it is"
}

# expect STATUS CURL_ARGUMENT…: leaves the body in $work/body.
expect() {
  local wanted=$1 status
  shift
  status=$(curl -s --max-time 60 -o "$work/body" -w '%{http_code}' "$@") || true
  [ "$status" = "$wanted" ] || fail "status $status instead of $wanted: curl $*: $(head -c 300 "$work/body")"
}

"$hoof" create examples/talespin-tiny -o "$work/base.hoof" >/dev/null 2>&1
"$hoof" create examples/talespin-tiny -o "$work/cut.hoof" --drop-layers 2 >/dev/null 2>&1
start main "$work/base.hoof" "$work/cut.hoof" --slots 4 --max-body 2M
main=$url main_pid=$pid
start keyed "$work/base.hoof" --api-key secret
keyed=$url

echo "curl"
expect 200 "$main"
grep -q '<title>hoof<' "$work/body" || fail "no page at /"
expect 200 "${main}health"
expect 200 "${main}v1/models"
grep -q '"id":"cut"' "$work/body" || fail "the cut model is not listed"
expect 200 "${main}v1/completions" -d '{"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}'
grep -q '"finish_reason":"length"' "$work/body" || fail "no answer: $(cat "$work/body")"
expect 200 -N "${main}v1/chat/completions" -d '{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "stream": true}'
grep -q '^data: \[DONE\]$' "$work/body" || fail "the stream has no end"
expect 200 "${main}metrics"
grep -q '^hoof_answers_total{model="base",reason="length"}' "$work/body" || fail "metrics do not count answers"
expect 400 "${main}v1/completions" -d '{"prompt": '
expect 400 "${main}v1/completions" -d $'{"prompt": "\xff\xfe"}'
expect 400 "${main}v1/completions" -d '{"prompt": "a", "temperature": "hot"}'
expect 400 "${main}v1/completions" -d "{\"prompt\": \"$(head -c 100000 /dev/zero | tr '\0' 'x')\"}"
grep -q context_length_exceeded "$work/body" || fail "a prompt that is too long is not called so"
expect 404 --path-as-is "${main}../../etc/passwd"
expect 404 --path-as-is "${main}%2e%2e/%2e%2e/etc/passwd"
expect 405 -X PUT "${main}v1/models"
expect 403 -H 'Host: evil.example' "$main"
expect 403 -H 'Origin: https://evil.example' "${main}v1/completions" -d '{"prompt": "a"}'
head -c 104857600 /dev/zero >"$work/large"
expect 413 --data-binary "@$work/large" "${main}v1/completions"
expect 413 -H 'Expect:' --data-binary "@$work/large" "${main}v1/completions"
expect 431 -H "X: $(head -c 30000 /dev/zero | tr '\0' 'x')" "$main"
expect 411 -H 'Transfer-Encoding: chunked' -d '{"prompt": "a"}' "${main}v1/completions"
expect 401 "${keyed}v1/models"
expect 200 -H 'Authorization: Bearer secret' "${keyed}v1/models"
expect 200 "$keyed"

echo "OpenAI's client"
client=${SERVING_VENV:-$work/venv}
if [ -x "$client/bin/python" ] || python3 -m venv "$client" 2>"$work/venv.err"; then
  if "$client/bin/python" -c 'import openai' 2>/dev/null || "$client/bin/pip" install -q openai >"$work/pip.log" 2>&1; then
    "$client/bin/python" Tests/serving/client.py "$main" "$keyed" || fail "OpenAI's client"
  else
    echo "skipped: the package openai cannot be installed ($(tail -1 "$work/pip.log"))"
  fi
else
  echo "skipped: python3 makes no virtual environment ($(tail -1 "$work/venv.err"))"
fi

echo "fuzzing"
python3 Tests/serving/fuzz.py "$main" "${1:-1000}" || fail "fuzzing"
kill -0 "$main_pid" || fail "the server is gone"

echo "Ctrl-C"
# In the midst of an answer: it is finished, and the program ends well.
curl -sN --max-time 60 "${main}v1/completions" -d '{"prompt": "Once", "max_tokens": 60, "stream": true, "temperature": 0}' >"$work/last" &
reader=$!
for _ in $(seq 100); do
  [ -s "$work/last" ] && break
  sleep 0.01
done
kill -TERM "$main_pid"
wait "$reader" || fail "the last reader was cut off"
grep -q '^data: \[DONE\]$' "$work/last" || fail "the last answer was not finished"
status=0
wait "$main_pid" || status=$?
[ "$status" = 0 ] || fail "the server ended with $status: $(cat "$work/main.err")"
[ -s "$work/main.err" ] && grep -v '^hoof: finishing' "$work/main.err" && fail "the server had something to say"
echo "all good"
