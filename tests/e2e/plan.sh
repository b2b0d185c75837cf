#!/bin/sh
# What a run takes is what was planned for it, to a tenth; a plan needs no weights, and says what helps where
# a run does not fit.
set -u
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
say() { echo "FAILED: $*"; bad=1; }
cat >"$tmp/config.json" <<'J'
{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 512, "num_hidden_layers": 6,
 "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 1536,
 "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true}
J
"$OPENR1" init --model_config "$(cat "$tmp/config.json")" --alphabet '0123456789+-= ' --seed 1 \
  --random_weights float32 --out "$tmp/model" 2>"$tmp/text" || { cat "$tmp/text"; exit 1; }
i=0
while [ $i -lt 200 ]; do
  echo '{"text": "1+1=2 12+30=42 5-3=2 100+11=111 7+7=14 80-40=40 9+9=18 1+2=3 11+11=22 99-98=1 123+321=444"}'
  i=$((i + 1))
done >"$tmp/data.jsonl"
common="--model_name_or_path $tmp/model --dataset_name $tmp/data.jsonl --max_length 256 --packing true
  --per_device_train_batch_size 6 --gradient_accumulation_steps 1 --max_steps 2"

plan() { # ARGUMENTS...
  "$OPENR1" plan $common "$@" --json true 2>"$tmp/text" >"$tmp/json" || say "plan $*: $(cat "$tmp/text")"
}
number() { # KEY: of the plan that was made last
  grep -o "\"$1\": *[0-9]*" "$tmp/json" | head -1 | grep -o '[0-9]*$'
}
program='program, tokenizer, data'
counted() { # bytes of that plan, but for what is measured: that differs by some pages from process to process
  echo $(($(number total) - $(number "$program")))
}
told() { # FILE: does the plan printed there have the total of the one made last, to five megabytes? The
         # system maps pages of the program around those that are used, now more and now fewer of them.
  awk -v want="$(number total)" '$1 == "total" { x = $2 * ($3 == "GB" ? 1e9 : 1e6) - want }
    END { exit !(want > 0 && x < 5e6 && x > -5e6) }' "$1" ||
    say "a plan of $(number total) bytes became another: $(cat "$1")"
}
peak() { # of the run that was made last, in GB
  sed -n 's/.*memory: a peak of \([0-9.]*\) GB.*/\1/p' "$tmp/text"
}
check() { # NAME ARGUMENTS...: the peak of the whole process is the plan's, to a tenth
  name=$1
  shift
  plan "$@"
  "$OPENR1" sft $common "$@" --output_dir "$tmp/$name" >"$tmp/out" 2>"$tmp/text" ||
    say "$name: $(cat "$tmp/text")"
  awk -v got="$(peak)" -v want="$(number resident)" \
    'BEGIN { x = got * 1e9 / want; exit !(want > 5e7 && x > 0.9 && x < 1.1) }' ||
    say "$name: a peak of $(peak) GB, planned were $(number resident) bytes"
  told "$tmp/text"
}
check plain
check checkpointed --gradient_checkpointing true
check small_state --optim adamw_8bit --gradient_accumulation_steps 2
check paged --optim paged_adamw_32bit
check half --weights_dtype bfloat16 --gradient_checkpointing false
# The base is read from a file of the same numbers, which is not in memory beside it.
check adapters --use_peft true --max_length 16

# What other settings are said to need is what the plan says when they are given: of an SFT run that
# evaluates, of adapters, of GRPO with a reference model, and whether layers are checkpointed or not.
kept() { # ARGUMENTS...: with each of the others, the plan is what it was said to be
  plan "$@"
  measured=$(number "$program")
  grep -o '{"settings":"[^"]*","total":[0-9]*,"disk":[0-9]*}' "$tmp/json" |
    sed 's/{"settings":"//; s/","total":/|/; s/,"disk":/|/; s/}//' >"$tmp/list"
  [ "$(grep -c 'weights_dtype: bfloat16' "$tmp/list")" -ge 4 ] || say "others: $(cat "$tmp/json")"
  while IFS='|' read -r settings bytes disk; do
    given=$(echo "$settings" | sed 's/\([a-z_]*\): \([a-z0-9_]*\),*/--\1 \2/g')
    plan "$@" $given
    [ "$(counted)" = $((bytes - measured)) ] && [ "$(number disk)" = "$disk" ] ||
      say "$given was said to need $bytes bytes and $disk on disk: $(cat "$tmp/json")"
  done <"$tmp/list"
}
kept --eval_dataset_name "$tmp/data.jsonl" --eval_strategy steps --per_device_eval_batch_size 24
kept --max_memory_gb 0.55
kept --use_peft true

# A base in four bits is read in the memory of its codes and one tensor more: the whole run takes less than
# the file of 16-bit numbers, of which only the output head's stay in memory, also where all are read to be
# hashed. It is planned as it is run.
larger=$(sed 's/"num_hidden_layers": 6/"num_hidden_layers": 16, "vocab_size": 60000/
  s/"intermediate_size": 1536/"intermediate_size": 2048/; s/: true/: false/' "$tmp/config.json")
"$OPENR1" init --model_config "$larger" --alphabet '0123456789+-= ' --random_weights bfloat16 \
  --out "$tmp/large" 2>"$tmp/text" || say "init: $(cat "$tmp/text")"
file=$(wc -c <"$tmp/large/model.safetensors")
four="--model_name_or_path $tmp/large --use_peft true --load_in_4bit true --gradient_checkpointing true
  --per_device_train_batch_size 1 --max_length 32"
check four $four
awk -v got="$(peak)" -v file="$file" 'BEGIN { exit !(file > 1.2e8 && got * 1e9 < file) }' ||
  say "a base in four bits: a peak of $(peak) GB, its file has $file bytes: $(cat "$tmp/text")"

# Of next to no model, what a run writes and its report count too.
small=$(sed 's/512/32/; s/"num_hidden_layers": 6/"num_hidden_layers": 2/; s/: 8/: 2/; s/: 4/: 1/
  s/1536/64/; s/512/64/' "$tmp/config.json")
"$OPENR1" init --model_config "$small" --alphabet '0123456789+-= ' --random_weights float32 \
  --out "$tmp/small" 2>"$tmp/text" || say "init: $(cat "$tmp/text")"
small_run() { # THE FIGURE THAT HOLDS, ALGORITHM ARGUMENTS...
  figure=$1
  shift
  "$OPENR1" "$@" --model_name_or_path "$tmp/small" --save_strategy no --logging_steps 100 \
    --output_dir "$tmp/long-$1" >"$tmp/out" 2>"$tmp/text" || say "next to no model: $(cat "$tmp/text")"
  planned=$(sed -n "s/.*memory: .*[ ;]\([0-9.]*\) GB $figure.*/\1/p" "$tmp/text")
  awk -v got="$(peak)" -v want="$planned" \
    'BEGIN { exit !(got < 0.03 && got > 0.9 * want && got < 1.1 * want) }' ||
    say "next to no model, $1: a peak of $(peak) GB, $figure were $planned"
}
small_run planned sft --dataset_name "$tmp/data.jsonl" --max_length 16 --per_device_train_batch_size 4 \
  --max_steps 1200
echo '{"prompt": "1+1=", "solution": "2"}' >"$tmp/one.jsonl"
small_run expected grpo --dataset_name "$tmp/one.jsonl" --reward_funcs exact --prompts_per_step 1 \
  --num_generations 4 --max_completion_length 8 --max_steps 1000 --preflight false

# Only config.json and the tokenizer, and the plan is the same.
cp -r "$tmp/model" "$tmp/bare"
rm -f "$tmp/bare"/*.safetensors
plan
bytes=$(counted)
plan --model_name_or_path "$tmp/bare"
[ "$bytes" = "$(counted)" ] || say "a plan without weights is another"
"$OPENR1" plan $common --use_peft true >"$tmp/out" 2>"$tmp/text" || say "use_peft: $(cat "$tmp/text")"
"$OPENR1" plan $common --max_memory_gb 0.1 >"$tmp/out" 2>"$tmp/text"
[ $? = 2 ] || say "a plan of more than there is exits $?"
grep -q 'other settings alone do not make it fit: the least is .* with .*optim: ' "$tmp/text" &&
  ! grep -q '^  [a-z]' "$tmp/text" || say "where nothing fits: $(cat "$tmp/text")"
# Where some settings would fit, those are named and no others.
"$OPENR1" plan $common --max_memory_gb 0.3 >"$tmp/out" 2>"$tmp/text"
[ $? = 2 ] && grep -q "weights_dtype: bfloat16, optim: adamw_8bit" "$tmp/text" ||
  say "0.3 GB: $(cat "$tmp/text")"
awk '/^  [a-z]/ { n++; if (!/ MB/) exit 1; sub(/ MB.*/, ""); if ($NF > 300) exit 1 }
  END { if (!n) exit 1 }' "$tmp/text" ||
  say "what would not fit either is offered: $(cat "$tmp/text")"

echo '{"prompt": "1+1=", "solution": "2"}' >"$tmp/prompts.jsonl"
common="--model_name_or_path $tmp/model --dataset_name $tmp/prompts.jsonl --reward_funcs exact --beta 0.1
  --prompts_per_step 1 --num_generations 4 --max_completion_length 16 --max_steps 2 --max_memory_gb 4"
kept
# Where memory decides how many completions are sampled at once, the others sample as many as the run: none
# seems to cost more because it would have room for more.
i=0
while [ $i -lt 16 ]; do
  echo "{\"prompt\": \"1+$i=\", \"solution\": \"2\"}"
  i=$((i + 1))
done >"$tmp/more.jsonl"
few="--dataset_name $tmp/more.jsonl --prompts_per_step 16 --max_completion_length 400 --max_memory_gb 1.25"
kept $few
plan $few
grep -q 'max_running: [0-9]' "$tmp/json" || say "memory decides nothing: $(cat "$tmp/json")"
awk -F'|' -v most="$(number total)" '$2 > most && !/checkpointing/ { exit 1 }' "$tmp/list" ||
  say "others cost more: $(cat "$tmp/list" "$tmp/json")"
# Options that sft has too have grpo's own defaults and choices: the plan is that of a dry run.
plan --loss_type dr_grpo
"$OPENR1" grpo $common --loss_type dr_grpo --output_dir "$tmp/dry" --dry_run true >"$tmp/out" 2>"$tmp/text" ||
  say "grpo: $(cat "$tmp/text")"
told "$tmp/out"

# What was expected after the look before the first step is told again at the end, after a resume too;
# without a look it is told of the first window.
run="$OPENR1 grpo $common --save_steps 1 --output_dir $tmp/grpo"
again() { # the second step once more
  rm -rf "$tmp/grpo/model" "$tmp/grpo/checkpoint-2"
  $run >"$tmp/out" 2>"$tmp/text" || say "again: $(cat "$tmp/text")"
  grep -q 'resumed from .* at step 1' "$tmp/text" || say "it did not go on: $(cat "$tmp/text")"
}
$run >"$tmp/out" 2>"$tmp/text" || say "grpo: $(cat "$tmp/text")"
figure=$(sed -n 's/.*"expected_bytes": *\([0-9]*\).*/\1/p' "$tmp/grpo/preflight.json")
figure=$(awk -v x="$figure" 'BEGIN { printf "%.3g", x / 1e9 }')
expected="a peak of .* $figure GB expected at the lengths sampled"
grep -q "$expected" "$tmp/text" || say "$figure GB were expected: $(cat "$tmp/text")"
again
grep -q "$expected" "$tmp/text" || say "after a resume, $figure GB were expected: $(cat "$tmp/text")"
rm "$tmp/grpo/preflight.json"
again
grep -q '^ *memory: .* GB expected, as long as lengths stay' "$tmp/text" &&
  grep -q 'a peak of .* GB expected at the lengths sampled' "$tmp/text" ||
  say "without a look: $(cat "$tmp/text")"
exit $bad
