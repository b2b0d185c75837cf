#!/bin/sh
# Open-R1's recipe files run unchanged: two steps of each, on a tiny random model and rows of the recipe's own
# kind. Set from outside are the model, the data, the folder to write to, and what is too large for a test:
# max_steps and max_completion_length; and the seven processes that Open-R1's page has where a recipe's 14
# completions do not divide the batch of one.
set -eu
recipes=$OPENR1_SOURCE/../shared/recipes
[ -d "$recipes" ] || {
  echo "skipped: no $recipes"
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "$1"; cat log; exit 1; }

# ---- a model with the tokens that the recipes' templates write, and weights ------------------------------
alphabet=$(awk 'BEGIN { printf "\n"; for (i = 32; i < 127; i++) printf "%c", i }')
"$OPENR1" init --out base --random_weights float32 --alphabet "$alphabet" \
  --special '<|im_end|>,<|im_start|>' --added '<｜User｜>,<｜Assistant｜>,<｜end▁of▁sentence｜>' \
  --chat_template '{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}' --model_config '{"model_type": "qwen2", "hidden_size": 16, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 32,
  "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >log 2>&1 || fail init

# ---- rows as the recipes' datasets have them ---------------------------------------------------------------
rows() { # NAME CONFIG ROW: 70 rows in which N is a number, as the split train
  mkdir -p "data/$1/$2"
  awk -v row="$(echo "$3" | tr -d '\n')" \
    'BEGIN { for (i = 0; i < 70; i++) { r = row; gsub(/N/, i, r); print r } }' >"data/$1/$2/train.jsonl"
}
talk='[{"role":"user","content":"What is N plus 0?"},{"role":"assistant","content":"<think>N</think> N"}]'
rows Mixture-of-Thoughts all "{\"messages\":$talk,\"num_tokens\":9,\"source\":\"x\"}"
rows codeforces-cots solutions_decontaminated "{\"id\":\"N\",\"title\":\"t\",\"messages\":$talk}"
rows OpenR1-Math-220k . '{"problem":"What is N plus 0?","solution":"$N$","answer":"N","uuid":"N"}'
rows verifiable-coding-problems-python . '{"problem_statement":"Print N.","verification_info":{
"language":"python","test_cases":[{"input":"","output":"N","type":"stdin_stdout"}]},"source":"x"}'
rows codeforces verifiable-prompts '{"id":"N/A","prompt":"Print N.","language":"python",
"official_tests":[{"input":"1","output":"N"}],"time_limit":1,"memory_limit":64,"input_mode":"stdio",
"generated_checker":null}'

# ---- each recipe ------------------------------------------------------------------------------------------
n=0
for file in "$recipes"/*/sft/*.yaml "$recipes"/*/grpo/*.yaml; do
  data=data/$(sed -n 's|^dataset_name: open-r1/||p' "$file")
  case ${file#"$recipes"} in
  */sft/*) set -- sft ;;
  *) set -- grpo --max_completion_length 8 ;;
  esac
  grep -q 'num_generations: 14' "$file" && set -- "$@" --num_processes 7
  out=out$n
  "$OPENR1" "$@" --config "$file" --model_name_or_path base --dataset_name "$data" --output_dir $out \
    --max_steps 2 >said 2>log || fail "$file"
  [ "$(grep -c '"grad_norm"' $out/metrics.jsonl)" = 2 ] || fail "$file: steps"
  [ -s $out/model/model.safetensors ] || fail "$file: no model"
  grep -q 'accepted without effect: .*push_to_hub' log || fail "$file: what has no effect is not said"
  ! grep -q 'set but not used' log || fail "$file: an unused key"
  n=$((n + 1))
done
[ "$n" -ge 6 ] || fail "$n recipes"
for file in "$recipes"/dataset_filtering/*.yaml; do
  case $file in
  *python*) data=verifiable-coding-problems-python column=problem_statement ;;
  *) data=OpenR1-Math-220k column=problem ;;
  esac
  out=rated-$(basename "$file" .yaml)
  "$OPENR1" data rate --config "$file" --model_name_or_path base --dataset_name data/$data \
    --dataset_prompt_column $column --output_dir "$out" --max_completion_length 8 --dataset_end_index 5 \
    >said 2>log || fail "$file"
  [ "$(grep -c '"pass_rate":' "$out/rows.jsonl")" = 5 ] || fail "$file: rows"
  ! grep -q 'set but not used' log || fail "$file: an unused key"
done
grep -q 'You are Open-R1' out*/model/tokenizer_config.json || fail "chat_template is not the model's"
grep -q '"<|im_end|>"' out*/model/tokenizer_config.json || fail "eos_token"

# ---- keys that these files do not use, as Open-R1's and TRL's pages show them ----------------------------
cat >mixture.yaml <<END
dataset_mixture:
  datasets:
  - id: data/Mixture-of-Thoughts
    config: all
    split: train
    columns: [messages]
    weight: 0.5
  - id: data/codeforces-cots
    config: solutions_decontaminated
    columns: [messages]
  seed: 7
  test_split_size: 0.2
bf16: true
packing: true
max_length: 256
eos_token: <|im_end|>
use_liger_kernel: true
eval_strategy: steps
eval_steps: 1
gradient_checkpointing: true
wandb_project: x
wandb_run_group: y
hub_model_revision: v1
overwrite_hub_revision: false
push_to_hub_revision: true
trackio_space_id: null
END
"$OPENR1" sft --config mixture.yaml --model_name_or_path base --output_dir mixed --max_steps 2 >said 2>log ||
  fail mixture
[ "$(grep -c '"eval_loss"' mixed/metrics.jsonl)" = 2 ] || fail "mixture: evaluations"
! grep -q 'set but not used' log || fail "mixture: an unused key"
cat >keys.yaml <<END
dataset_name: data/OpenR1-Math-220k
dataset_prompt_column: problem
system_prompt: Think.
reward_funcs: [accuracy, cosine, repetition_penalty, soft_overlong_punishment, reasoning_steps, length]
cosine_min_value_wrong: 0.0
cosine_max_len: 100
repetition_n_grams: 2
repetition_max_penalty: -0.5
max_completion_len: 8
soft_punish_cache: 4
code_provider: local
provider_type: e2b
ioi_provider: piston
e2b_router_url: localhost:8000
morph_router_url: localhost:8001
parallel_code_exec_per_proc: 2
num_generations: 4
per_device_train_batch_size: 8
vllm_mode: colocate
wandb_log_unique_prompts: true
END
"$OPENR1" grpo --config keys.yaml --model_name_or_path base --output_dir keys --max_steps 2 \
  --max_completion_length 8 >said 2>log || fail keys
! grep -q 'set but not used' log || fail "keys: an unused key"
sed 's/^packing:/pakcing:/' mixture.yaml >wrong.yaml
! "$OPENR1" sft --config wrong.yaml --model_name_or_path base --output_dir wrong 2>log || fail "a wrong key"
grep -q 'wrong.yaml:.*pakcing.*packing' log || fail "the nearest key is not named"
echo "$n recipes"
