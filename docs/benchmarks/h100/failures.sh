#!/usr/bin/env bash
# What goes wrong on a GPU, provoked: a run killed in the middle and continued, memory that is short, no device.
#
#     docs/benchmarks/h100/failures.sh STORE
#
# Needs an NVIDIA GPU and torch. Prints every command and what came of it.
set -uo pipefail
store=$1
model=(--model vit_base_patch16_224 --runtime torch --store "$store" --processes 3)

show() {
  echo "\$ $*"
  "$@" 2>&1 | grep --invert-match '^fp16: measure: '
  echo "exit code ${PIPESTATUS[0]}"
  echo
}

journal_lines() {
  echo "\$ wc -l results/*/blocks.jsonl"
  wc -l "$store"/results/*/blocks.jsonl | sed "s|$store/||"
  echo
}

killed=(trtbench bench fp16 "${model[@]}" --batch 8 --duration-s 15 --target-half-width 0.0001)
echo "\$ ${killed[*]} &"
setsid "${killed[@]}" >/dev/null 2>&1 &
until [[ $(cat "$store"/results/*/blocks.jsonl 2>/dev/null | wc -l) -ge 25 ]]; do sleep 0.5; done
echo '$ kill -KILL $!'
kill -KILL $!
sleep 2
journal_lines
nvidia-smi --query-compute-apps=pid --format=csv
show "${killed[@]}"
journal_lines

# Another process takes all but 1.5 GB: batch 8 fits beside it, batch 512 does not.
python3 - <<'HOLD' &
import time
import torch
free_bytes, _ = torch.cuda.mem_get_info()
held = torch.empty(free_bytes - 1_500_000_000, dtype=torch.uint8, device="cuda")
time.sleep(600)
HOLD
holder=$!
sleep 12
show trtbench bench fp16 "${model[@]}" --batch 8,512 --duration-s 2 --block-ms 50
show trtbench bench fp16 "${model[@]}" --batch 16 --exclusive
kill $holder
wait $holder 2>/dev/null

CUDA_VISIBLE_DEVICES=7 show trtbench bench fp16 "${model[@]}" --batch 32 --duration-s 2
