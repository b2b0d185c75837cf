#!/bin/sh
# A disk that fills up, and a folder that may not be written: every command ends with status 1 and says which
# file, why and what to do; what was whole before stays whole; with room again the same command reaches the
# same bits. A small tmpfs is the disk where one can be mounted; elsewhere a limit on file sizes stands in.
set -eu
tmp=$(mktemp -d)
disk=$tmp/disk
mounted=
clean() {
  [ -z "$mounted" ] || umount "$disk" || umount -l "$disk"
  rm -rf "$tmp"
}
trap clean EXIT
cd "$tmp"
mkdir disk
fail() {
  echo "FAILED: $*"
  tail -5 "$tmp/log"
  exit 1
}
refused() { # PATTERN COMMAND...: status 1, and a message of that pattern
  pattern=$1 status=0
  shift
  "$@" >"$tmp/out" 2>"$tmp/log" || status=$?
  [ $status = 1 ] || fail "status $status, not 1: $*"
  grep -q -e "$pattern" "$tmp/log" || fail "does not say '$pattern': $*"
}
nothing_in() { # FOLDER: no half of a file or folder
  [ -z "$(find "$1" -name '*.tmp.*' -o -name '*.new' -o -name '*.partial')" ] || fail "rests in $1"
}

"$OPENR1" init --out base --alphabet '0123456789+-*= ' --special '<|end|>' \
  --model_config '{"model_type": "llama",
  "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
  "intermediate_size": 64, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >log 2>&1
awk 'BEGIN { for (i = 0; i < 60; i++) {
  a = i % 8; b = int(i / 8)
  printf "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", a, b, a + b, a + b
} }' >sums.jsonl
sft() { # OUTPUT_DIR
  "$OPENR1" sft --model_name_or_path base --from_scratch true --dataset_name sums.jsonl --output_dir "$1" \
    --learning_rate 1e-2 --per_device_train_batch_size 8 --max_steps 24 --save_steps 4
}
grpo() { # OUTPUT_DIR
  "$OPENR1" grpo --model_name_or_path whole-sft/model --dataset_name sums.jsonl --output_dir "$1" \
    --reward_funcs exact --learning_rate 1e-3 --prompts_per_step 3 --num_generations 4 --num_iterations 2 \
    --max_completion_length 4 --max_steps 24 --save_steps 4 --log_completions true
}
sft whole-sft >log 2>&1 || fail sft
grpo whole-grpo >log 2>&1 || fail grpo

# A folder that may not be written is refused before any work: the model is not even looked for.
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o ro none disk 2>/dev/null; then
  mounted=1
  reason='Read-only file system.*write elsewhere'
else
  chmod 555 disk
  reason='Permission denied.*permissions'
fi
if [ -n "$mounted" ] || [ "$(id -u)" != 0 ]; then
  for word in sft grpo; do
    refused "output_dir: disk/run cannot be written: folder disk: $reason" "$OPENR1" $word \
      --model_name_or_path absent --dataset_name sums.jsonl --output_dir disk/run
  done
  cannot="cannot be written: folder disk: $reason"
  refused "disk/x $cannot" "$OPENR1" generate --model absent --prompt 1 --out disk/x
  refused "disk/m $cannot" "$OPENR1" convert --model absent --out disk/m
  refused "disk/e: $reason" "$OPENR1" eval --model absent --tasks chain --out disk/e
fi
[ -z "$mounted" ] || umount disk
mounted=
chmod 755 disk

# `room N`: the disk holds N KiB; `limited` runs what meets its end. Without a mount no file may pass 64 KiB.
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4k none disk 2>/dev/null; then
  full='No space left on device (make room there'
  mounted=1
  room() { mount -o "remount,size=$1k" disk; }
  limited() { "$@"; }
else
  full='File too large (a limit'
  room() { :; }
  limited() { (ulimit -f 128 && "$@"); }
fi

for kind in sft grpo; do
  room 700
  full_at="checkpoint-[0-9]*, which is whole.*disk/.*$full"
  [ -n "$mounted" ] || full_at="disk/.*$full"
  refused "$full_at" limited $kind disk/run
  nothing_in disk
  for checkpoint in disk/run/checkpoint-*; do
    [ -n "$mounted" ] || break
    "$OPENR1" inspect "$checkpoint" >out 2>log || fail "$checkpoint is not whole"
    step=${checkpoint##*-}
    cmp "$checkpoint/model.safetensors" "whole-$kind/checkpoint-$step/model.safetensors" ||
      fail "$checkpoint has other weights than the run that nobody disturbed"
  done
  [ -z "$mounted" ] || refused "$full" limited $kind disk/run # again, and again nothing is lost
  room 100000
  $kind disk/run >out 2>log || fail "$kind does not go on when there is room"
  [ -z "$mounted" ] || grep -q 'resumed from' log || fail "$kind began anew"
  cmp disk/run/metrics.jsonl "whole-$kind/metrics.jsonl" || fail "$kind: the logs differ"
  cmp disk/run/model/model.safetensors "whole-$kind/model/model.safetensors" || fail "$kind: other weights"
  rm -rf disk/run
done

# Commands that write once: the old file or folder stays, no rest is left.
model=whole-sft/model
ask="--jsonl sums.jsonl --num_generations 64 --max_new_tokens 4"
# shellcheck disable=SC2086
for_all() { # COMMAND_PREFIX...
  "$@" "$OPENR1" generate --model $model $ask --out disk/completions.jsonl
}
echo old >disk/completions.jsonl
room 100
refused "disk/completions.jsonl.*$full" for_all limited
[ "$(cat disk/completions.jsonl)" = old ] || fail "generate has lost the old file"
mv disk/completions.jsonl.partial kept # what was done by then; it comes back below
nothing_in disk
refused "disk/model.*$full" limited "$OPENR1" convert --model $model --out disk/model
nothing_in disk
[ ! -e disk/model ] || fail "convert leaves half a model"
refused "disk/eval/samples.jsonl.*$full" limited "$OPENR1" eval --model $model --tasks chain --limit 200 \
  --num_samples 4 --temperature 1 --max_new_tokens 20 --out disk/eval
nothing_in disk
[ ! -e disk/eval/results.json ] || fail "eval leaves results without samples"
refused "disk/report.html.*$full" limited "$OPENR1" report whole-grpo --out disk/report.html
[ ! -e disk/report.html ] || fail "half a report"
nothing_in disk
room 100000
mv kept disk/completions.jsonl.partial
for_all env >out 2>log || fail "generate with room"
grep -q 'records of this; they are kept' log || fail "generate began anew"
[ "$(wc -l <disk/completions.jsonl)" = 60 ] || fail "generate: $(wc -l <disk/completions.jsonl) records"
