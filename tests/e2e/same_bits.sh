#!/bin/sh
# One training run, one hash: with 1, 2 and 3 threads, with the plain-C kernels and the ones this machine
# chooses, with gradient checkpointing and without; and the same of weights in bfloat16.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' \
  --model_config '{"model_type": "llama",
  "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1,
  "intermediate_size": 100, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >/dev/null 2>&1
awk 'BEGIN { for (i = 0; i < 64; i++) {
  a = i % 8; b = int(i / 8)
  printf "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", a, b, a + b, a + b
} }' >sums.jsonl

train() { # NAME EXTRA... : prints the final weights' hash and the head of the log's chain
  name=$1
  shift
  "$OPENR1" sft --model_name_or_path base --from_scratch true --dataset_name sums.jsonl \
    --output_dir "$name-sft" --learning_rate 1e-2 --per_device_train_batch_size 16 \
    --gradient_accumulation_steps 3 --max_steps 12 \
    --packing true --max_length 40 --save_strategy no "$@" 2>"$name.log" >"$name.json" || {
    cat "$name.log"
    exit 1
  }
  "$OPENR1" grpo --model_name_or_path "$name-sft/model" --dataset_name sums.jsonl \
    --output_dir "$name-grpo" --reward_funcs exact --learning_rate 3e-3 --prompts_per_step 5 \
    --num_generations 6 --max_completion_length 4 --max_steps 8 --num_iterations 2 --beta 0.01 \
    --top_p 0.95 --top_entropy_quantile 0.8 --entropy_coef 0.01 --sync_ref_model true \
    --ref_model_sync_steps 3 --dynamic_sampling true --curriculum pass_rate --off_policy_mask_threshold 0.5 \
    --save_strategy no "$@" 2>"$name.log" >>"$name.json" || {
    cat "$name.log"
    exit 1
  }
  sed 's/.*"weights":"\([0-9a-f]*\)","log_head":"\([0-9a-f]*\)".*/\1 \2/' "$name.json"
}

all_ways() { # DTYPE
  first=$(train "$1" --weights_dtype "$1")
  [ "$(echo "$first" | wc -w)" = 4 ]
  for threads in 1 2 3; do
    [ "$(train "$1-threads$threads" --weights_dtype "$1" --threads $threads)" = "$first" ] || {
      echo "$1, $threads threads: other bits"
      exit 1
    }
  done
  [ "$(OPENR1_ISA=ref train "$1-ref" --weights_dtype "$1")" = "$first" ] || {
    echo "$1, plain C kernels: other bits"
    exit 1
  }
  for on in true false; do
    [ "$(train "$1-checkpointing-$on" --weights_dtype "$1" --gradient_checkpointing $on)" = "$first" ] || {
      echo "$1, gradient_checkpointing $on: other bits"
      exit 1
    }
  done
  [ "$(train "$1-other" --weights_dtype "$1" --seed 43)" != "$first" ] || {
    echo "$1: another seed gives the same run"
    exit 1
  }
}
all_ways float32
whole=$first
all_ways bfloat16
[ "$first" != "$whole" ] || { echo "bfloat16 and float32 give the same run"; exit 1; }
