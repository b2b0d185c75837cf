#!/bin/sh
# A tiny model through the whole round: init, data make, sft, generate, data filter, eval.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }
any='{"mode": "any"}'

"$OPENR1" init --model_config '{"model_type":"llama","hidden_size":32,"num_hidden_layers":1,
  "num_attention_heads":2,"num_key_value_heads":2,"intermediate_size":64,"rms_norm_eps":1e-5,
  "tie_word_embeddings":true,"max_position_embeddings":64,"initializer_range":0.1}' \
  --alphabet '0123456789+-*= ' --added '<think>,</think>' --out "$tmp/init"
data=$tmp/train.jsonl
"$OPENR1" data make chain --count 256 --seed 1 --params '{"n_digits": 2, "worked": 0.5}' --out "$data"
"$OPENR1" sft --model_name_or_path "$tmp/init" --from_scratch --dataset_name "$data" \
  --output_dir "$tmp/run" --per_device_train_batch_size 32 --max_steps 12 --learning_rate 1e-2 --seed 1
model=$tmp/run/model

# What it samples, scored and joined with its rows.
"$OPENR1" generate --model "$model" --jsonl "$data" --num_generations 8 --max_new_tokens 12 --seed 2 \
  --out "$tmp/sampled.jsonl"
"$OPENR1" data filter --jsonl "$tmp/sampled.jsonl" --dataset_name "$data" --params "$any" \
  --keep shortest --out "$tmp/kept.jsonl" 2>"$tmp/err"
grep -q '^.*kept [1-9][0-9]* of 2048 completions' "$tmp/err" || fail "$(cat "$tmp/err")"
[ -s "$tmp/kept.jsonl" ] || fail "nothing kept"
# Each kept completion is right by the reward's own word.
sed 's/^{"id":\("[^"]*"\)\(.*\)"completion":\("[^"]*"\)/{"id":\1\2"completions":[\3]/' "$tmp/kept.jsonl" |
  "$OPENR1" reward accuracy --jsonl - --params "$any" >"$tmp/rewards"
right=$(grep -c '"rewards":\[1.0\]' "$tmp/rewards")
[ "$right" = "$(wc -l <"$tmp/kept.jsonl")" ] || fail "a wrong one was kept"
status=0
"$OPENR1" data filter --jsonl "$tmp/sampled.jsonl" --dataset_name "$data" --reward accuracy --min 2 \
  --out "$tmp/none.jsonl" 2>"$tmp/err" || status=$?
[ $status = 1 ] && [ ! -e "$tmp/none.jsonl" ] || fail "an empty harvest"
grep -q 'none passed' "$tmp/err"

# Rows that the model solves now and then: the rate is the mean of the rewards, the bounds are not in, and a
# command that was stopped goes on to the same bytes.
rates() { # FOLDER ARGUMENTS...
  folder=$1
  shift
  "$OPENR1" data rate --model_name_or_path "$model" --dataset_name "$data" --reward_funcs accuracy \
    --reward_params '{"accuracy": {"mode": "any"}}' --num_generations 4 --max_completion_length 12 \
    --dataset_start_index 10 --dataset_end_index 70 --output_dir "$folder" "$@" >"$tmp/out" 2>"$tmp/err"
}
rates "$tmp/rates" --pass_rate_min 0 --pass_rate_max 1 || fail "pass_rate: $(cat "$tmp/err")"
[ "$(wc -l <"$tmp/rates/rows.jsonl")" = 60 ] || fail "pass_rate: not every row"
kept=$(wc -l <"$tmp/rates/filtered.jsonl")
[ "$kept" -gt 0 ] && [ "$kept" -lt 60 ] || fail "pass_rate: $kept of 60 rows kept"
grep -q "\"kept\":$kept,\"too_low\":[0-9]*,\"too_high\":[0-9]*,\"not_judged\":0" "$tmp/out" ||
  fail "pass_rate: $(cat "$tmp/out")"
[ "$(grep -c '"pass_rate":0\.[257]' "$tmp/rates/filtered.jsonl")" = "$kept" ] || fail "pass_rate: bounds"
sed 's/.*"pass_rate_rewards":\[\([^]]*\)\],"pass_rate":\([0-9.]*\)}/\1,\2/' "$tmp/rates/rows.jsonl" |
  awk -F, '($1 + $2 + $3 + $4) / 4 != $5 { exit 1 }' || fail "pass_rate: no mean"
cp -r "$tmp/rates" "$tmp/cut"
head -c 9000 "$tmp/rates/rows.jsonl" >"$tmp/cut/rows.jsonl"
rates "$tmp/cut" --pass_rate_min 0 --pass_rate_max 1 --prompts_per_step 7 || true
grep -q 'rows of another configuration' "$tmp/err" || fail "pass_rate: another configuration"
rates "$tmp/cut" --pass_rate_min 0 --pass_rate_max 1 --threads 1 --overwrite_output_dir true ||
  fail "$(cat "$tmp/err")"
grep -q 'goes on behind row [1-9]' "$tmp/err" || fail "pass_rate: $(cat "$tmp/err")"
cmp "$tmp/rates/rows.jsonl" "$tmp/cut/rows.jsonl"
cmp "$tmp/rates/filtered.jsonl" "$tmp/cut/filtered.jsonl"
status=0
(flock 9 && rates "$tmp/cut" --pass_rate_min 0 --pass_rate_max 1) 9>"$tmp/cut/.lock" || status=$?
[ $status = 1 ] && grep -q 'another process is at work' "$tmp/err" || fail "pass_rate: two at once"
status=0
rates "$tmp/no" --pass_rate_min 0.5 --pass_rate_max 0.5 || status=$?
[ $status = 2 ] && [ ! -e "$tmp/no" ] || fail "pass_rate: bounds that hold nothing"

# Evaluation: the fixed form, the table, the same bytes at another batch size and number of threads.
"$OPENR1" eval --model "$model" --tasks chain,arithmetic --limit 12 --num_samples 4 --temperature 1 \
  --seed 3 --max_new_tokens 12 --dataset_name "$data" --out "$tmp/a" --threads 1 >"$tmp/table"
"$OPENR1" eval --model "$model" --tasks chain,arithmetic --limit 12 --num_samples 4 --temperature 1 \
  --seed 3 --max_new_tokens 12 --dataset_name "$data" --out "$tmp/b" --batch_size 5 --threads 2 >/dev/null
cmp "$tmp/a/results.json" "$tmp/b/results.json"
cmp "$tmp/a/samples.jsonl" "$tmp/b/samples.jsonl"
grep -q '^|chain *|pass@1 ' "$tmp/table" || fail "table: $(cat "$tmp/table")"
grep -q '"results": {' "$tmp/a/results.json"
grep -q '"maj@4": ' "$tmp/a/results.json"
[ "$(wc -l <"$tmp/a/samples.jsonl")" = 24 ] || fail "samples"
status=0
"$OPENR1" eval --model "$model" --tasks gsm8k 2>"$tmp/err" || status=$?
[ $status = 2 ] && grep -q -- '--dataset_name' "$tmp/err" || fail "gsm8k without data"
status=0
"$OPENR1" eval --model "$model" --tasks chain --num_samples 2 --temperature 0 2>"$tmp/err" || status=$?
[ $status = 2 ] || fail "two greedy samples"
