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

planned() { # ARGUMENTS...: bytes of the plan
  "$OPENR1" plan $common "$@" --json 2>"$tmp/text" >"$tmp/json"
  grep -o '"total": *[0-9]*,"limit"' "$tmp/json" | grep -o '[0-9]*' | head -1
}
check() { # NAME ARGUMENTS...
  name=$1
  shift
  want=$(planned "$@")
  "$OPENR1" sft $common "$@" --output_dir "$tmp/$name" >"$tmp/out" 2>"$tmp/text" ||
    say "$name: $(cat "$tmp/text")"
  got=$(sed -n 's/.*memory: a peak of \([0-9.]*\) GB.*/\1/p' "$tmp/text")
  awk -v got="$got" -v want="$want" \
    'BEGIN { x = got * 1e9 / want; exit !(want > 1e8 && x > 0.9 && x < 1.1) }' ||
    say "$name: a peak of $got GB, planned were $want bytes"
}
check plain
check checkpointed --gradient_checkpointing true
check small_state --optim adamw_8bit --gradient_accumulation_steps 2
check half --weights_dtype bfloat16 --gradient_checkpointing false

# What other settings are said to need is what the plan says when they are given: of an SFT run that
# evaluates, of adapters, of GRPO with a reference model, and whether layers are checkpointed or not.
kept() { # ARGUMENTS...: with each of the others, the plan is what it was said to be
  "$OPENR1" plan $common "$@" --json true >"$tmp/others" 2>"$tmp/text" || say "plan: $(cat "$tmp/text")"
  grep -o '{"settings":"[^"]*","total":[0-9]*,"disk":[0-9]*}' "$tmp/others" |
    sed 's/{"settings":"//; s/","total":/|/; s/,"disk":/|/; s/}//' >"$tmp/list"
  [ "$(grep -c 'weights_dtype: bfloat16' "$tmp/list")" -ge 4 ] || say "others: $(cat "$tmp/others")"
  while IFS='|' read -r settings bytes disk; do
    given=$(echo "$settings" | sed 's/\([a-z_]*\): \([a-z0-9_]*\),*/--\1 \2/g')
    "$OPENR1" plan $common "$@" $given --json true >"$tmp/json" 2>"$tmp/text" ||
      say "$given: $(cat "$tmp/text")"
    grep -q "\"total\": *$bytes,\"limit\".*\"disk\": *$disk," "$tmp/json" ||
      say "$given was said to need $bytes bytes and $disk on disk: $(cat "$tmp/json")"
  done <"$tmp/list"
}
kept --eval_dataset_name "$tmp/data.jsonl" --eval_strategy steps --per_device_eval_batch_size 24
kept --max_memory_gb 0.55
kept --use_peft true

# A base in four bits is read in the memory of its codes and one tensor more: the whole run takes less than
# the file of 16-bit numbers, of which nothing is left in memory. It is planned as it is run.
larger=$(sed 's/"num_hidden_layers": 6/"num_hidden_layers": 16/
  s/"intermediate_size": 1536/"intermediate_size": 2048/' "$tmp/config.json")
"$OPENR1" init --model_config "$larger" --alphabet '0123456789+-= ' --random_weights bfloat16 \
  --out "$tmp/large" 2>"$tmp/text" || say "init: $(cat "$tmp/text")"
file=$(wc -c <"$tmp/large/model.safetensors")
four="--model_name_or_path $tmp/large --use_peft true --load_in_4bit true --gradient_checkpointing true
  --per_device_train_batch_size 1"
want=$(planned $four)
"$OPENR1" sft $common $four --output_dir "$tmp/few" >"$tmp/out" 2>"$tmp/text" ||
  say "four bits: $(cat "$tmp/text")"
got=$(sed -n 's/.*memory: a peak of \([0-9.]*\) GB.*/\1/p' "$tmp/text")
awk -v got="$got" -v file="$file" 'BEGIN { exit !(file > 1.2e8 && got * 1e9 < file) }' ||
  say "a base in four bits: a peak of $got GB, its file has $file bytes: $(cat "$tmp/text")"
grep -q "total  *$(awk -v x="$want" 'BEGIN { printf "%.2f MB", x / 1e6 }')" "$tmp/text" ||
  say "a plan of $want bytes became another: $(cat "$tmp/text")"

# Only config.json and the tokenizer, and the plan is the same.
cp -r "$tmp/model" "$tmp/bare"
rm -f "$tmp/bare"/*.safetensors
[ "$(planned)" = "$(planned --model_name_or_path "$tmp/bare")" ] || say "a plan without weights is another"
"$OPENR1" plan $common --use_peft true >"$tmp/out" 2>"$tmp/text" || say "use_peft: $(cat "$tmp/text")"
"$OPENR1" plan $common --max_memory_gb 0.1 >"$tmp/out" 2>"$tmp/text"
[ $? = 2 ] || say "a plan of more than there is exits $?"
grep -q 'optim: adamw_8bit' "$tmp/text" || say "what helps is not said: $(cat "$tmp/text")"
# Where some settings would fit, those are named and no others.
"$OPENR1" plan $common --max_memory_gb 0.3 >"$tmp/out" 2>"$tmp/text"
[ $? = 2 ] && grep -q "weights_dtype: bfloat16, optim: adamw_8bit" "$tmp/text" ||
  say "0.3 GB: $(cat "$tmp/text")"
awk '/^  [a-z]/ { n++; sub(/ GB.*/, ""); if ($NF > 0.3) exit 1 } END { if (!n) exit 1 }' "$tmp/text" ||
  say "what would not fit either is offered: $(cat "$tmp/text")"

echo '{"prompt": "1+1=", "solution": "2"}' >"$tmp/prompts.jsonl"
common="--model_name_or_path $tmp/model --dataset_name $tmp/prompts.jsonl --reward_funcs exact --beta 0.1
  --prompts_per_step 1 --num_generations 4 --max_completion_length 16 --max_steps 2 --max_memory_gb 4"
kept
# Options that sft has too have grpo's own defaults and choices: the plan is that of a dry run.
total=$(planned --loss_type dr_grpo)
"$OPENR1" grpo $common --loss_type dr_grpo --output_dir "$tmp/dry" --dry_run true >"$tmp/out" 2>"$tmp/text" ||
  say "grpo: $(cat "$tmp/text")"
grep -q "total  *$(awk -v x="$total" 'BEGIN { printf "%.2f MB", x / 1e6 }')" "$tmp/out" ||
  say "grpo plans other than $total bytes: $(cat "$tmp/out")"
exit $bad
