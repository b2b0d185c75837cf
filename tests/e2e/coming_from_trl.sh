#!/bin/sh
# What docs/coming-from-trl.md promises to people who know TRL, by the numbers of its list; the rest of the
# list has tests of its own (5: kill_resume, 14: replay and same_bits).
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
bad=0
say() { echo "FAILED: $*"; bad=1; }
"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' \
  --model_config '{"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
  "intermediate_size": 64, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >/dev/null 2>&1
awk 'BEGIN { for (i = 0; i < 60; i++) {
  a = i % 8; b = int(i / 8)
  printf "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", a, b, a + b, a + b
} }' >sums.jsonl
sft() { "$OPENR1" sft --dataset_name sums.jsonl --save_strategy no "$@" >out 2>log; }
sft --model_name_or_path base --from_scratch true --output_dir sft --learning_rate 1e-2 --max_steps 60 ||
  say "sft: $(tail -3 log)"
cat >recipe.yaml <<'END'
model_name_or_path: sft/model
dataset_name: sums.jsonl
reward_funcs: [exact]
prompts_per_step: 4
num_generations: 4
max_completion_length: 4
max_steps: 3
learning_rate: 1.0e-6
save_strategy: "no"
use_vllm: true
END
grpo() { # NAME ARGUMENTS...: a fresh run
  name=$1
  shift
  rm -rf "$name"
  "$OPENR1" grpo --config recipe.yaml --output_dir "$name" "$@" >out 2>log
}
told() { # NUMBER PATTERN
  grep -q -e "$2" log || say "$1: does not say '$2': $(tail -4 log)"
}
refused() { # NUMBER STATUS PATTERN ARGUMENTS...
  number=$1 want=$2 pattern=$3
  shift 3
  grpo no "$@"
  got=$?
  [ $got = "$want" ] || say "$number: status $got, not $want"
  told "$number" "$pattern"
}
# Recipe files and lines as TRL has them.
grpo line --learning_rate 2e-6 || say "a recipe with a key on the line: $(tail -3 log)"
grep -q '^learning_rate: 2.0e-06' line/config.yaml || say "the line does not win over the file"
told note 'note: .*use_vllm'
grpo line --learning_rate 2e-6 --logging_steps 1
told 3 "^{'loss': .*'step_time': "
# Flags and lists of things that are not here take their words, and nothing else; they make no other run.
grpo line --learning_rate 2e-6 --bf16 --push_to_hub --report_to wandb tensorboard --logging_steps 1 ||
  say "flags of things that are not here: $(tail -3 log)"
told note 'note: .*bf16.*push_to_hub, report_to'
refused key 2 'unknown option --lerning_rate' --use_vllm --lerning_rate 1
"$OPENR1" grpo --config recipe.yaml --output_dir line --learning_rate 2e-6 --report_to none >out 2>log ||
  say "report_to makes another run: $(tail -3 log)"
told note 'this run is finished'
grpo line --learning_rate 2e-6 --top_k null || say "top_k null: $(tail -3 log)"
refused key 2 'reward_model_name_or_path is set, but a model that scores' --reward_model_name_or_path m
refused key 2 'did you mean --learning_rate' --learning_rte 1
"$OPENR1" grpo --config line/config.yaml --output_dir again >out 2>log ||
  say "config.yaml given back: $(tail -3 log)"
cmp line/metrics.jsonl again/metrics.jsonl || say "config.yaml given back is another run"

# TRL's own mixture of datasets; a hub's folder of Parquet files; what from_pretrained may be told.
mkdir -p hub/data
grpo told --log_completions true --logging_steps 1 --num_completions_to_print 0 || say "told: $(tail -3 log)"
cp told/completions/completions_00001.parquet hub/data/train-00000-of-00001.parquet
head -20 sums.jsonl >some.jsonl
cat >join.yaml <<'END'
datasets:
  - path: json
    data_files: sums.jsonl
    columns: [prompt, completion]
    fraction: 0.75
  - path: json
    data_files: [some.jsonl]
    split: train
    columns: [prompt, completion]
    fraction: 0.25
test_split_size: 0.1
streaming: false
model_init_kwargs: {dtype: bfloat16, attn_implementation: sdpa, device_map: null}
group_by_length: true
auto_find_batch_size: true
train_sampling_strategy: group_by_length
END
joined() { # NAME ARGUMENTS...
  name=$1
  shift
  "$OPENR1" sft --config join.yaml --model_name_or_path base --from_scratch true --output_dir "$name" \
    --save_strategy no --max_steps 2 --eval_strategy steps --eval_steps 2 "$@" >out 2>log
}
joined joined || say "datasets: $(tail -3 log)"
told datasets 'data: 72 examples'
told datasets 'data: 8 examples'
told datasets 'note: .*auto_find_batch_size.*group_by_length'
told datasets 'model_init_kwargs: accepted without effect'
grep -q '"eval_loss"' joined/metrics.jsonl || say "datasets: nothing is held out"
"$OPENR1" sft --config joined/config.yaml --output_dir joined2 >out 2>log ||
  say "datasets: config.yaml given back: $(tail -3 log)"
cmp joined/metrics.jsonl joined2/metrics.jsonl || say "datasets: config.yaml given back is another run"
joined paths --datasets sums.jsonl some.jsonl --test_split_size 0.5 || say "datasets: paths: $(tail -3 log)"
told datasets 'data: 40 examples'
joined no --datasets '[{"path":"sums.jsonl","fracton":1}]' && say "datasets: a misspelt key"
told datasets "datasets: unknown key 'fracton'; there are: path name data_dir"
joined no --datasets '[{"path":"sums.jsonl","fraction":1},{"path":"some.jsonl"}]' && say "one fraction"
told datasets 'fraction must be given for all datasets or for none'
joined no --model_init_kwargs '{"rope_theta": 5}' && say "model_init_kwargs: rope_theta"
told kwargs 'model_init_kwargs: rope_theta would make another model than config.json says'
sft --model_name_or_path base --from_scratch true --dataset_name hub --dataset_config default \
  --output_dir parquet --max_steps 1 || say "Parquet: $(tail -3 log)"
told parquet 'data: 16 examples'

refused 1 2 'plans .* GB and .* may be used .*What helps: .*max_completion_length' --max_memory_gb 0.0005
grpo plan --dry_run true && grep -q '^ *total .*MB' out || say "1: no plan: $(tail -3 log)"
[ ! -e plan ] || say "1: a dry run leaves a folder"
printf '#!/bin/sh\nread -r x\nsleep 60\n' >slow
chmod +x slow
refused 2 1 './slow: .*did not answer in time, twice' --reward_funcs ./slow --reward_timeout 0.3
grep -q '"generate_time":.*"reward_time":.*"step_time":' line/timings.jsonl || say "3: timings"
printf '#!/bin/sh\nwhile read -r x; do echo "{\\"rewards\\":[0,0,0,0]}"; done\n' >zero
chmod +x zero
grpo zeros --reward_funcs ./zero --max_steps 5
told 6 'all rewards of the first 5 generations are zero'
told 7 '100 % of the groups have no variance in reward'
grpo cut --max_completion_length 1 --max_steps 1
told 6 '100 % of the completions were cut off at max_completion_length 1'
told 6 'its solution: '
grpo dynamic --dynamic_sampling true || say "7: dynamic_sampling: $(tail -3 log)"
grep -q '"dynamic_sampling/groups_sampled":' dynamic/metrics.jsonl || say "7: what was sampled is not logged"
sed -i '/prompts_per_step/d' recipe.yaml
refused 8 2 'per_device_train_batch_size 4 or 8; or num_generations 2, 3, 6; or simply prompts_per_step' \
  --per_device_train_batch_size 6
told 8 'num_processes: a multiple of 2$'
for split in '16 1' '8 2' '4 4' '2 2 4'; do
  # shellcheck disable=SC2086
  set -- $split
  grpo "split$1" --per_device_train_batch_size "$1" --gradient_accumulation_steps "$2" \
    --num_processes "${3:-1}" --learning_rate 1e-3 || say "11: $(tail -3 log)"
  sed 's/.*"weights":"\([0-9a-f]*\)".*/\1/' out >>weights
done
[ "$(sort -u weights | wc -l)" = 1 ] || say "11: splits of a step give other weights: $(cat weights)"
told 9 'its gradient is not 0. Watch reward, not loss'
gaps=$(sed -n 's/.*sampling_logp_difference.max":\([^,]*\),.*/\1/p' split16/metrics.jsonl | sort -u)
[ "$gaps" = 0.0 ] || say "10: sampler and trainer differ by $gaps"
told 6 'its solution: '
sft --model_name_or_path base --from_scratch true --output_dir no --eos_token '<|im_end|>'
told 12 "eos_token '<|im_end|>' is not in the tokenizer's vocabulary"
"$OPENR1" generate --model sft/model --jsonl sums.jsonl --temperature 0 --max_new_tokens 8 >out 2>log
[ "$(grep -c '"finish_reason":"stop"' out)" = 60 ] || say "12: completions do not end"
cp -r sft/model broken
at=$(($(wc -c <broken/model.safetensors) - 4)) # the last weight: not a number, then as large as can be
printf '\377\377\377\377' | dd of=broken/model.safetensors bs=1 seek=$at conv=notrunc 2>/dev/null
sft --model_name_or_path broken --output_dir nan --max_steps 2 && say "13: NaN trains"
told 13 'broken/model.safetensors: tensor model.norm.weight: row 0 holds NaN or infinity'
printf '\377\377\177\177' | dd of=broken/model.safetensors bs=1 seek=$at conv=notrunc 2>/dev/null
sft --model_name_or_path broken --output_dir nan --max_steps 2 && say "13: infinity trains"
told 13 'step 1 (.*checkpoint-0, which is whole): .*jsonl:[0-9]*: the logits are not finite'
exit $bad
