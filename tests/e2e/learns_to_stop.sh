#!/bin/sh
# Training teaches a model to stop: after supervised fine-tuning it ends its answers by itself, in a
# conversation and in plain text, whether it was trained on everything or on the assistant's turns alone.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "$1"; cat log; exit 1; }
alphabet=$(awk 'BEGIN { printf "\n"; for (i = 32; i < 127; i++) printf "%c", i }')
"$OPENR1" init --out base --random_weights float32 --alphabet "$alphabet" \
  --special '<|im_end|>,<|im_start|>' --chat_template '{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}' --model_config '{"model_type": "qwen2", "hidden_size": 32, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64,
  "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
  "initializer_range": 0.1}' >log 2>&1 || fail init
awk 'BEGIN { for (i = 0; i < 64; i++) { a = i % 8; b = int(i / 8)
  ask = "{\"role\":\"user\",\"content\":\"" a b "?\"}"
  answer = "{\"role\":\"assistant\",\"content\":\"" substr("aaaaaaaaa", 1, a + 1) "\"}"
  print "{\"messages\":[" ask "," answer "]}" } }' >talks.jsonl
awk 'BEGIN { for (i = 0; i < 64; i++) { a = i % 8; b = int(i / 8)
  print "{\"prompt\":\"" a b "?\",\"completion\":\"" substr("aaaaaaaaa", 1, a + 1) "\"}" } }' >pairs.jsonl

stops() { # NAME DATA ARGUMENTS...: at least nine of ten answers end with the stop token
  name=$1 data=$2
  shift 2
  "$OPENR1" sft --model_name_or_path base --dataset_name "$data" --output_dir "$name" --max_steps 60 \
    --per_device_train_batch_size 32 --learning_rate 2e-2 --lr_scheduler_type cosine --save_strategy no \
    "$@" >said 2>log || fail "$name"
  "$OPENR1" generate --model "$name/model" --jsonl "$data" --num_generations 1 --temperature 0 \
    --max_new_tokens 24 --out answers.jsonl >said 2>log || fail "$name: generate"
  ended=$(grep -c '"finish_reason":"stop"' answers.jsonl) || true
  [ "$ended" -ge 58 ] || { head -3 answers.jsonl; fail "$name: $ended of 64 answers stop"; }
}
stops all talks.jsonl
stops assistant talks.jsonl --assistant_only_loss true
stops pairs pairs.jsonl
stops packed pairs.jsonl --packing true --max_length 64
# And one that has never learnt it does not.
"$OPENR1" generate --model base --jsonl pairs.jsonl --num_generations 1 --temperature 0 --max_new_tokens 24 \
  --out answers.jsonl >said 2>log || fail "generate"
ended=$(grep -c '"finish_reason":"stop"' answers.jsonl) || true
[ "$ended" -lt 32 ] || fail "the untrained model stops $ended times: the test would pass without training"
