#!/bin/sh
# Open-R1's recipe files run unchanged: every key of them is known, and what is not honoured is said. Only the
# model, the data and rewards that need them are put in from outside.
set -eu
recipes=$OPENR1_SOURCE/../shared/recipes
[ -d "$recipes" ] || {
  echo "skipped: no $recipes"
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
alphabet=$(awk 'BEGIN { print ""; for (i = 32; i < 127; i++) printf "%c", i }')
"$OPENR1" init --out base --alphabet "$alphabet" --special '<|im_end|>' \
  --chat_template '<|im_start|>{{ messages }}<|im_end|>' --model_config '{"model_type": "qwen2",
  "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
  "intermediate_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >log 2>&1 || { cat log; exit 1; }
awk 'BEGIN { for (i = 0; i < 640; i++)
  printf "{\"text\":\"%d=%d\",\"prompt\":\"%d=\",\"solution\":\"%d\"}\n", i, i, i, i }' >data.jsonl
n=0
for file in "$recipes"/*/sft/*.yaml "$recipes"/*/grpo/*.yaml; do
  case ${file#"$recipes"} in
  */sft/*) set -- sft --dataset_text_field text --chat_template '' ;;
  *) set -- grpo --reward_funcs exact --reward_weights 1 --apply_chat_template false --chat_template '' \
    --dataset_prompt_column prompt ;;
  esac
  # These count on seven processes: 14 completions a prompt do not divide the batch of one.
  grep -q 'num_generations: 14' "$file" && set -- "$@" --num_generations 16
  "$OPENR1" "$@" --config "$file" --model_name_or_path base --from_scratch true --dataset_name data.jsonl \
    --dataset_config '' --output_dir out --dry_run true >plan 2>log || {
    echo "$file"
    cat log
    exit 1
  }
  grep -q '^lr_scheduler_type: "*co[ns]' plan
  grep -q 'memory plan' plan
  grep -q 'accepted without effect: .*push_to_hub' log
  ! grep -q 'set but not used' log
  n=$((n + 1))
done
[ "$n" -ge 6 ]
echo "$n recipes"
