#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine that has a GPU and nothing of ours: no Swift, no CUDA toolkit, no network.
#
# usage: gpu-check.sh pack DIR                       here: a static build, small models and data into DIR (under 64 MiB)
#        DIR/gpu-check.sh run DIR OUT [PHASE…]       there: correctness, speed, peers, training (default: all); OUT gets one Markdown and JSON a phase
#        gpu-check.sh report OUT…                    here again: joins the phases into benchmarks/results/<date>-<gpu>.md and .json
#
# Each phase ends within GPU_CHECK_SECONDS (default 570), each step within its own limit; a step that fails or is cut short is noted, and the
# next one runs. python3 with torch (and transformers) and compute-sanitizer are used where they are found.
# For trying it without a GPU: GPU_CHECK_BACKEND=cpu, GPU_CHECK_SHAPE=tiny, or HOOF_CUDA_DRIVER=…/libCUDAEmulator.so.
set -uo pipefail
script=$(realpath "$0")
usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# ---------------------------------------------------------------------------------------------------------------- pack
pack() {
  set -e
  local out root
  mkdir -p "$1"
  out=$(realpath "$1") root=$(realpath "$(dirname "$0")/..")
  cd "$root"
  if [ -z "${HOOF:-}" ]; then
    swift build -c release --static-swift-stdlib --product hoof --scratch-path .build/static
    HOOF=.build/static/release/hoof
  fi
  rm -rf "$out/hoof" "$out/models"
  mkdir -p "$out/models"
  strip -o "$out/hoof" "$HOOF"
  cp benchmarks/gpu-check.sh benchmarks/compare_reports.py benchmarks/pytorch_ablation.py benchmarks/pytorch_peaks.py \
    benchmarks/pytorch_training.py examples/prompts.txt "$out"
  local model
  for model in examples/talespin-tiny ../shared/models/stories260K; do
    [ -d "$model" ] || continue
    mkdir "$out/models/$(basename "$model")"
    cp "$model"/{config.json,tokenizer.json,model.safetensors} "$out/models/$(basename "$model")"
  done
  # 32 prompts of more than 64 bytes, which is what the made-up model counts as tokens; the same as texts for the tokenizer.
  tr '\n' ' ' <examples/prompts.txt | tr -cd ' -~' | tr -d '"\\' | fold -w 100 | awk 'length == 100' | awk '{ line[NR] = $0 }
    END { for (i = 0; i < 32; i++) print substr(line[i % NR + 1], 1, 100 - int(i / NR)) }' >"$out/prompts-64.txt"
  chmod u+w -R "$out"
  echo "packed $(du -sh --apparent-size "$out" | cut -f1) into $out: $(du -h --apparent-size "$out/hoof" | cut -f1) is hoof"
  [ "$(du -sm --apparent-size "$out" | cut -f1)" -lt 64 ] || { echo "that is more than 64 MiB" >&2; exit 1; }
}

# ----------------------------------------------------------------------------------------------------------------- run
now() { date +%s; }

# Text on standard input as the inside of a JSON string.
json_text() { tr -d '\000-\010\013-\037' | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g' | awk '{ printf "%s\\n", $0 }'; }

# step LIMIT TITLE COMMAND…: runs it, at most LIMIT seconds and no longer than the phase; its output and verdict go into the results.
step() {
  local limit=$1 title=$2 left status start verdict seconds file=$work/step.out
  shift 2
  left=$((deadline - $(now)))
  [ "$limit" -le "$left" ] || limit=$left
  start=$(date +%s.%N)
  if [ "$limit" -lt 3 ]; then
    : >"$file"
    verdict="not run: the phase's time is over" status=125
  else
    timeout -k 5 "$limit" bash "$script" __step "$@" >"$file" 2>&1 </dev/null
    status=$?
    case $status in
      0) verdict="ok" ;;
      124 | 137) verdict="CUT SHORT after $limit s" ;;
      125) verdict="not run" ;;
      *) verdict="FAILED with $status" ;;
    esac
  fi
  seconds=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.1f", $1 - $2 }')
  echo "== $title: $verdict, $seconds s"
  tail -n 12 "$file"
  {
    echo "## $title: $verdict"
    echo
    # Tables are Markdown already.
    if grep -q '^|' "$file"; then cat "$file"; else { echo '```'; head -c 20000 "$file"; echo '```'; }; fi
    echo
  } >>"$markdown"
  printf '%s{"phase": "%s", "title": "%s", "verdict": "%s", "exit_code": %d, "seconds": %s, "output": "%s"}' \
    "$separator" "$phase" "$(echo -n "$title" | json_text | sed 's/\\n$//')" "$verdict" "$status" "$seconds" "$(head -c 60000 "$file" | json_text)" >>"$json"
  separator=$',\n'
  [ $status -eq 0 ]
}

run() {
  [ $# -ge 2 ] || usage
  mkdir -p "$2"
  kit=$(realpath "$1") out=$(realpath "$2")
  shift 2
  [ $# -gt 0 ] || set -- correctness speed peers training
  export kit hoof=$kit/hoof backend=${GPU_CHECK_BACKEND:-cuda} shape=${GPU_CHECK_SHAPE:-llama-3.2-3b}
  # A place for 7 GB: memory where there is plenty, and outside of what is brought back.
  export work=${GPU_CHECK_WORK:-/tmp/gpu-check}
  mkdir -p "$work"
  cpus=$(nproc)
  export cpus python=${PYTHON:-python3}
  "$python" -c 'import torch' 2>/dev/null && export torch=yes || export torch=
  local card
  card=$("$hoof" backends --json | sed -n 's/.*"device": *"cuda:0 (\(NVIDIA \)\{0,1\}\([^,]*\),.*/\2/p' | head -1)
  card=$(echo "${card:-$backend}" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
  for phase in "$@"; do
    case $phase in correctness | speed | peers | training) ;; *) usage ;; esac
    deadline=$(($(now) + ${GPU_CHECK_SECONDS:-570}))
    markdown=$out/$phase.md json=$out/$phase.json separator=
    {
      echo "# GPU check, $phase: $card, $(date -u +%F)"
      echo
      echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1), $cpus processors," \
        "$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), $(. /etc/os-release && echo "$PRETTY_NAME"), load $(cut -d' ' -f1 /proc/loadavg)"
      echo
    } >"$markdown"
    printf '{"format": "hoof-gpu-check", "version": 1, "date": "%s", "gpu": "%s", "steps": [\n' "$(date -u +%F)" "$card" >"$json"
    "$phase"
    printf '\n]}\n' >>"$json"
  done
  echo "results: $out"
}

correctness() {
  step 60 "What is here" backends_and_smi
  step 240 "Self-test: every op in every precision, gradients" "$hoof" selftest --backend "$backend" --threads "$cpus" --quiet
  local model
  for model in "$kit"/models/*; do
    step 120 "Studies of $(basename "$model") beside the CPU in f32" agreement "$model"
  done
  step 120 "Memory accesses (compute-sanitizer memcheck, small cases)" sanitize memcheck
  step 120 "Races in shared memory (compute-sanitizer racecheck, small cases)" sanitize racecheck
}

speed() {
  step 60 "What is here" backends_and_smi
  step 60 "Start-up: first start with no compiled kernels kept, then the second" start_up
  step 120 "The made-up model" make_model
  step 150 "Study of the $shape shape: all layers and heads" study
  step 60 "Where the time goes: heads of one layer" study_profile
  step 90 "Reading, writing and ablation batches" "$hoof" bench "$work/model" --backend "$backend" --quiet --seconds 0.3 --profile
  step 100 "Products of our own kernels" products off
  step 60 "Products of cuBLAS" products on
  step 300 "Every op" "$hoof" bench --ops --backend "$backend" --seconds 0.05 --quiet
}

peers() {
  step 120 "The made-up model" make_model
  step 150 "hoof: all layers and heads" study
  step 60 "PyTorch on this GPU: products, copies" torch_peaks
  step 150 "PyTorch with prefix sharing, all prompts in one batch" torch_study prefix 0
  step 120 "PyTorch, hooks, all prompts in one batch" torch_study batched "${GPU_CHECK_PARTS:-175}"
  step 150 "PyTorch, hooks, one prompt at a time" torch_study naive "${GPU_CHECK_PARTS:-28}"
}

training() {
  step 60 "What is here" backends_and_smi
  step 120 "The same ten steps on the CPU and on the device" training_agreement
  step 60 "A run that was killed goes on to the same bytes" training_resume
  step 120 "The made-up model" make_model
  step 200 "All weights of the $shape shape, 8 x 512 tokens, 8-bit moments, no masters" fine_tune --optimizer adamw8bit --no-master
  step 150 "The same with f32 moments and masters" fine_tune
  step 150 "A LoRA adapter of rank 16" fine_tune --lora-rank 16
  step 200 "800 steps on 200 short chats" fine_tune_chats
  step 200 "PyTorch: transformers, flash attention, checkpointing, 8-bit moments" torch_training --optimizer adamw8bit
  step 200 "PyTorch: the same with fused AdamW" torch_training --optimizer fused
}

# ---------------------------------------------------------------------------------------------- steps, run in a shell each
backends_and_smi() {
  "$hoof" backends
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit,persistence_mode --format=csv
  "$hoof" backends --json | grep -q "\"device\": *\"$backend"
}

# Reports of one model on the CPU and on the device in each precision, compared.
agreement() {
  local name precision reports=()
  name=$(basename "$1")
  ablate() { "$hoof" ablate "$1" --calibration "$kit/prompts.txt" --sublayers --heads --kv-groups --quiet --force "${@:2}" >/dev/null; }
  ablate "$1" --backend cpu --precision f32 -o "$work/$name-reference.json" || return
  for precision in f32 tf32 bf16; do
    [ "$backend$precision" != cputf32 ] || continue
    ablate "$1" --backend "$backend" --precision "$precision" -o "$work/$name-$precision.json" || return
    reports+=("$work/$name-$precision.json")
  done
  "$python" "$kit/compare_reports.py" "$work/$name-reference.json" "${reports[@]}"
}

sanitize() {
  local tool
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -1)
  [ -n "$tool" ] || { echo "compute-sanitizer is not here"; return 125; }
  "$tool" --tool "$1" --error-exitcode 9 --print-limit 20 "$hoof" selftest --backend "$backend" --small --quiet --threads "$cpus"
}

# A program start to its first result, with the driver's cache of compiled kernels empty and full.
start_up() {
  local cache=$work/cache run what
  rm -rf "$cache"
  export CUDA_CACHE_PATH=$cache
  echo "| what | start | seconds |"
  echo "|---|---|---|"
  for what in "one op" "a study of stories260K or talespin-tiny"; do
    for run in first second third; do
      local start
      start=$(date +%s.%N)
      if [ "$what" = "one op" ]; then
        "$hoof" selftest --backend "$backend" --precision f32 --filter 'fill f32 [1, 1]' --quiet >/dev/null || return
      else
        head -1 "$kit/prompts.txt" >"$work/one.txt"
        "$hoof" ablate "$(ls -d "$kit"/models/* | head -1)" --calibration "$work/one.txt" --backend "$backend" --quiet >/dev/null || return
      fi
      echo "$(date +%s.%N) $start" | awk -v what="$what" -v run=$run '{ printf "| %s | %s | %.3f |\n", what, run, $1 - $2 }'
    done
  done
}

make_model() {
  if [ -d "$work/model" ]; then echo "it is there already"; else
    local start
    start=$(date +%s.%N)
    "$hoof" random-model --shape "$shape" --dtype bf16 --threads "$cpus" -o "$work/part" --quiet && mv "$work/part" "$work/model" || return
    echo "$(date +%s.%N) $start $(stat -c %s "$work/model/model.safetensors")" |
      awk '{ printf "%.2f GB made in %.1f s, %.2f GB/s\n", $3 / 1e9, $1 - $2, $3 / 1e9 / ($1 - $2) }'
  fi
  cp "$kit/prompts-64.txt" "$work/prompts.txt"
  awk 'BEGIN { printf "[" } { printf "%s\"%s\"", (NR > 1 ? ",\n" : ""), $0 } END { print "]" }' "$work/prompts.txt" >"$work/texts.json"
  "$hoof" tokenize "$work/model" --json <"$work/texts.json" >"$work/ids.json"
}

# The study twice: the second finds compiled kernels and a mapped file in memory. Then its speed against the products' peak of this run.
study() {
  local run note flops rate peak
  for run in 1 2; do
    note=$("$hoof" ablate "$work/model" --calibration "$work/prompts.txt" --backend "$backend" --heads -o "$work/study.json" --force 2>&1 >/dev/null |
      grep -a -E 'computing on|ablations of|^hoof:' | tail -3) || { echo "$note"; return 1; }
    echo "run $run: $(sed -n 's/^  "seconds": *\([0-9.e-]*\).*/\1/p' "$work/study.json") s"
    echo "$note"
  done
  rate=$(echo "$note" | sed -n 's/.*necessary, \([0-9.]*\) \([GTP]\)FLOP\/s.*/\1 \2/p' | awk '{ print $1 * ($2 == "P" ? 1e15 : $2 == "T" ? 1e12 : 1e9) }')
  peak=$("$hoof" bench --ops --backend "$backend" --filter "${GPU_CHECK_PEAK:-matmul [2048, 3072]·[3072, 3072]}" --seconds 0.2 --quiet --json |
    grep -o '"\(bf16\|sgemm\)_flops_per_second": *[0-9.e+]*' | sed 's/.*: *//' | sort -g | tail -1)
  [ -n "$rate" ] && [ -n "$peak" ] &&
    echo "$rate $peak" | awk '{ printf "%.1f TFLOP/s of necessary work: %.1f %% of the measured peak of matrix products, %.1f TFLOP/s\n", $1 / 1e12, 100 * $1 / $2, $2 / 1e12 }'
}

study_profile() {
  local layers
  layers=$(sed -n 's/.*"num_hidden_layers": *\([0-9]*\).*/\1/p' "$work/model/config.json")
  "$hoof" ablate "$work/model" --calibration "$work/prompts.txt" --backend "$backend" --head-layers $((layers / 2)) --profile 2>&1 >/dev/null
}

products() { "$hoof" bench --ops --backend "$backend" --cublas "$1" --filter "${GPU_CHECK_PRODUCTS:-matmul right bf16 to}" --seconds 0.2 --quiet; }

torch_peaks() {
  [ -n "$torch" ] || { echo "$python has no torch"; return 125; }
  "$python" -c 'import torch; raise SystemExit(not torch.cuda.is_available())' || { echo "this torch sees no GPU"; return 125; }
  "$python" "$kit/pytorch_peaks.py"
}

# torch_study MODE PARTS: the same study in PyTorch, and how many times longer it takes than ours of this phase.
torch_study() {
  [ -n "$torch" ] || { echo "$python has no torch"; return 125; }
  "$python" "$kit/pytorch_ablation.py" "$work/model" "$work/ids.json" --mode "$1" --parts "$2" --threads "$cpus" \
    --dtype "${GPU_CHECK_DTYPE:-bf16}" >"$work/torch-$1.json" || return
  "$python" - "$work/torch-$1.json" "$work/study.json" <<'PYTHON'
import json, sys
theirs, ours = (json.load(open(path)) for path in sys.argv[1:])
scaled = "" if theirs["measured_parts"] == theirs["parts"] else f" (scaled from {theirs['measured_parts']} of {theirs['parts']} parts, {theirs['measured_seconds']:.1f} s)"
print(f"PyTorch {theirs['torch']}, {theirs['model']}, {theirs['dtype']}, {theirs['mode']}: {theirs['seconds']:.2f} s{scaled}")
print(f"hoof on {ours['backend']}: {ours['seconds']:.2f} s: {theirs['seconds'] / ours['seconds']:.2f} times faster")
layers = {str(entry["layer"]): entry["kl"] for entry in ours["layers"]}
worst = max((abs(layers[key] - kl) / max(kl, 1e-6) for key, kl in theirs["layers"].items()), default=None)
if worst is not None:
    print(f"greatest relative difference of a layer's KL: {worst:.2e}")
PYTHON
}

# Texts of 512 bytes, which the made-up model counts as tokens; more than any run here reads.
training_texts() {
  tr -d '\n' <"$kit/prompts-64.txt" | fold -w 511 | awk 'length == 511 { line[n++] = $0 }
    END { for (i = 0; i < 64; i++) printf "{\"text\": \"%s\"}\n", line[i % n] }' >"$work/texts.jsonl"
}

# Losses of ten steps of a small model: on the CPU, and on the device in each precision.
training_agreement() {
  local model precision place
  model=$(ls -d "$kit"/models/* | head -1)
  ten() {
    "$hoof" finetune "$model" --data "$kit/prompts.txt" --steps 10 --lr 1e-4 --schedule constant --warmup 0 --seed 1 --f32 --force --quiet \
      -o "$work/ten-$1-$2.hoof" --log "$work/ten-$1-$2.jsonl" --backend "$1" --precision "$2" >/dev/null
  }
  ten cpu f32 || return
  for precision in f32 tf32 bf16; do
    [ "$backend$precision" != cputf32 ] || continue
    place=$backend
    ten "$place" "$precision" || return
    "$python" - "$work/ten-cpu-f32.jsonl" "$work/ten-$place-$precision.jsonl" "$place $precision" <<'PYTHON' || return
import json, sys
ours, theirs = ([json.loads(line) for line in open(path)] for path in sys.argv[1:3])
pairs = [(a["loss"], b["loss"]) for a, b in zip(ours, theirs) if "loss" in a and "loss" in b]
worst = max(abs(b / a - 1) for a, b in pairs)
limit = 1e-4 if sys.argv[3].endswith(" f32") else 1e-2
print(f"{sys.argv[3]}: {len(pairs)} losses, greatest relative difference {worst:.1e}, limit {limit:.0e}")
raise SystemExit(len(pairs) != 10 or not worst <= limit)
PYTHON
  done
}

training_resume() {
  local model run sums
  model=$(ls -d "$kit"/models/* | head -1)
  # Without cuBLAS, so that every run adds in one order.
  tune() {
    "$hoof" finetune "$model" --data "$kit/prompts.txt" --steps 200 --lr 1e-4 --seed 1 --save-every 20 --deterministic --backend "$backend" --quiet \
      -o "$work/kill-$1.hoof" "${@:2}" >/dev/null
  }
  rm -f "$work"/kill-*
  tune whole || return
  tune killed & local pid=$!
  while [ ! -f "$work/kill-killed.hoof.checkpoint" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
  pkill -9 -P $pid 2>/dev/null; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
  [ ! -f "$work/kill-killed.hoof" ] || echo "it was done before the kill"
  [ -f "$work/kill-killed.hoof" ] || tune killed --resume || return
  cmp "$work/kill-whole.hoof" "$work/kill-killed.hoof" && echo "the same bytes"
}

# fine_tune OPTIONS…: steps of 8 x 512 tokens: seconds, tokens/s, share of the measured peak (6 FLOP per weight and token), memory.
fine_tune() {
  training_texts
  local steps=${GPU_CHECK_STEPS:-12} peak
  "$hoof" finetune "$work/model" --data "$work/texts.jsonl" --max-tokens "${GPU_CHECK_TOKENS:-512}" --no-bos --batch 8 --steps "$steps" --lr 1e-6 --save-every 0 \
    --backend "$backend" --force -o "$work/tuned.hoof" --log "$work/tuned.jsonl" --json "$@" >"$work/tuned.json" || return
  rm -f "$work/tuned.hoof"
  peak=$("$hoof" bench --ops --backend "$backend" --filter "${GPU_CHECK_PEAK:-matmul [2048, 3072]·[3072, 3072]}" --seconds 0.2 --quiet --json |
    grep -o '"\(bf16\|sgemm\)_flops_per_second": *[0-9.e+]*' | sed 's/.*: *//' | sort -g | tail -1)
  "$python" - "$work" "${peak:-0}" <<'PYTHON'
import json, statistics, sys
work, peak = sys.argv[1], float(sys.argv[2])
result = json.load(open(f"{work}/tuned.json"))
steps = [entry for entry in map(json.loads, open(f"{work}/tuned.jsonl")) if "loss" in entry]
speeds = [entry["tokens"] / entry["seconds"] for entry in steps[2:]]
config = json.load(open(f"{work}/model/config.json"))
c, heads, kv, d = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
layer = c * d * (2 * heads + 2 * kv) + 3 * c * config["intermediate_size"]
weights = config["num_hidden_layers"] * layer + c * config["vocab_size"]
speed = statistics.median(speeds)
seconds = statistics.median(entry["seconds"] for entry in steps[2:])
flops = 6 * weights * speed
print(f"{result['backend']}: {speed:.0f} tokens/s, {seconds:.3f} s a step, loss {steps[0]['loss']:.3f} to {steps[-1]['loss']:.3f}")
print(f"{flops / 1e12:.1f} TFLOP/s of model work" + (f": {100 * flops / peak:.1f} % of the measured peak, {peak / 1e12:.1f} TFLOP/s" if peak else ""))
print(f"memory {result['memory'] / 2 ** 30:.1f} GiB")
PYTHON
}

# What teaching a 3B model a trade takes: 200 chats of about 100 tokens, 800 steps of one each.
fine_tune_chats() {
  tr -d '\n' <"$kit/prompts-64.txt" | fold -w 100 | awk 'length == 100 { line[n++] = $0 } END { for (i = 0; i < 200; i++)
    printf "{\"prompt\": \"%s\", \"completion\": \"%s\"}\n", substr(line[i % n], 1, 20), substr(line[(i + 7) % n], 1, 80) }' >"$work/chats.jsonl"
  local start
  start=$(date +%s.%N)
  "$hoof" finetune "$work/model" --data "$work/chats.jsonl" --batch 1 --steps "${GPU_CHECK_CHATS:-800}" --lr 5e-6 --optimizer adamw8bit --save-every 0 \
    --backend "$backend" --force -o "$work/tuned.hoof" || return
  rm -f "$work/tuned.hoof"
  echo "$(date +%s.%N) $start" | awk '{ printf "%.1f s, loading and writing included\n", $1 - $2 }'
}

# torch_training OPTIONS…: the same step in PyTorch, beside our last one of this phase.
torch_training() {
  [ -n "$torch" ] || { echo "$python has no torch"; return 125; }
  "$python" -c 'import transformers' 2>/dev/null || { echo "$python has no transformers"; return 125; }
  case "$*" in *8bit*) "$python" -c 'import bitsandbytes' 2>/dev/null || { echo "$python has no bitsandbytes"; return 125; } ;; esac
  local device=cuda attention=sdpa
  [ "$backend" = cuda ] || device=cpu
  "$python" -c 'import flash_attn' 2>/dev/null && attention=flash_attention_2
  "$python" "$kit/pytorch_training.py" "$work/model" --random --batch 8 --tokens "${GPU_CHECK_TOKENS:-512}" --steps "${GPU_CHECK_STEPS:-10}" --device $device \
    --dtype "${GPU_CHECK_DTYPE:-bf16}" --attention $attention --checkpoint "$@"
}

# -------------------------------------------------------------------------------------------------------------- report
report() {
  [ $# -ge 1 ] || usage
  local folder=$(dirname "$0")/results name files=() part
  for part in "$@"; do for phase in correctness speed peers training; do [ ! -f "$part/$phase.json" ] || files+=("$part/$phase"); done; done
  [ ${#files[@]} -gt 0 ] || { echo "no results of 'run' in $*" >&2; exit 1; }
  name=$(sed -n '1s/.*"date": "\([^"]*\)", "gpu": "\([^"]*\)".*/\1-\2/p' "${files[0]}.json")
  for part in "${files[@]}"; do cat "$part.md"; done >"$folder/$name.md"
  { echo "["; for part in "${files[@]}"; do [ "$part" = "${files[0]}" ] || echo ","; cat "$part.json"; done; echo "]"; } >"$folder/$name.json"
  echo "$folder/$name.md"
}

case ${1:-} in
  pack) [ $# -eq 2 ] || usage; pack "$2" ;;
  run) shift; run "$@" ;;
  report) shift; report "$@" ;;
  # One step, in a shell of its own, so that its limit can end it.
  __step) shift; "$@" ;;
  *) usage ;;
esac
