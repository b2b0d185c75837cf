#!/bin/sh
# What a new user meets first: a wrong word, a missing or damaged file. Each message names it and says what to
# do; a run that cannot start leaves no folder.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
cd "$tmp" || exit 2
"$OPENR1" init --config "$OPENR1_SOURCE/recipes/tiny-smoke/init.yaml" --out base 2>log &&
  "$OPENR1" data make chain --count 8 --out d.jsonl 2>log || { cat log; exit 1; }
few="--dataset_name d.jsonl --per_device_train_batch_size 4 --save_steps 1 --max_steps 3"
run="--model_name_or_path base --from_scratch $few --output_dir run"
# shellcheck disable=SC2086
"$OPENR1" sft $run >log 2>&1 || { cat log; exit 1; }

# Words.
expect 2 'did you mean --datasets?' sft --dataset d.jsonl
expect 2 'did you mean --learning_rate?' sft --learning-rat 1
expect 2 'model_name_or_path is needed' sft
expect 2 'a number is expected' sft --learning_rate high
expect 2 'did you mean "chain"? There are: ' eval --model run/model --tasks chian
expect 2 'did you mean "accuracy"? There are: ' grpo --model_name_or_path run/model --dataset_name d.jsonl \
  --output_dir new --reward_funcs acuracy
printf 'seed: 1\nlerning_rate: 1\n' >recipe.yaml
expect 2 'recipe.yaml:2: .*did you mean learning_rate?' sft --config recipe.yaml

printf 'model_name_or_path: [run/model\nseed: 1\n' >recipe.yaml
expect 2 "recipe.yaml:2: did not find expected ',' or ']'" sft --config recipe.yaml
expect 2 'bf16: "maybe" was given, true or false is expected' sft --bf16=maybe

# Settings that say two things: warned of where TRL takes them.
warned() { # PATTERN ARGUMENTS...
  pattern=$1
  shift
  expect 0 "warning: $pattern" grpo --model_name_or_path run/model --dataset_name d.jsonl --output_dir new \
    --reward_funcs accuracy --dry_run true "$@"
}
warned 'epsilon_high 0.1 is below epsilon 0.2' --epsilon_high 0.1
warned 'loss_type cispo caps the ratio at epsilon_high itself, and 0.2 is below' --loss_type cispo
warned 'delta 1.1 is not above 1 + epsilon_high 1.2' --delta 1.1
warned 'delta has no effect on loss_type sapo' --loss_type sapo --delta 4
warned 'entropy_target has no effect without use_adaptive_entropy' --entropy_target 1

# Models and data that are not there, or not whole.
# shellcheck disable=SC2086
{
  expect 1 'absent: no such file or folder' sft --model_name_or_path absent $few --output_dir new
  expect 1 'base: holds no weights .*--from_scratch' sft --model_name_or_path base $few --output_dir new
}
expect 1 'its model is run/model' generate --model run --prompt 1
expect 1 'absent.jsonl: no such file or folder' sft --model_name_or_path run/model \
  --dataset_name absent.jsonl --output_dir new
head -c 500 d.jsonl >cut.jsonl
expect 1 'cut.jsonl:[0-9]*: .*is it cut short?' sft --model_name_or_path run/model --dataset_name cut.jsonl \
  --output_dir new
[ ! -e new ] || say "a run that could not start has left a folder"
for file in model.safetensors tokenizer.json config.json; do
  rm -rf cut
  cp -r run/model cut
  head -c 300 "run/model/$file" >"cut/$file"
  expect 1 "cut/$file: .*cut short?" generate --model cut --prompt 1
done

# A reward that is not there is said before the model is looked for.
printf 'def score(completions, **kwargs):\n    return [0.0] * len(completions)\n' >mine.py
for dry in true false; do
  reward() { # STATUS NAME PATTERN
    expect "$1" "$3" grpo --model_name_or_path absent --dataset_name d.jsonl --output_dir new --dry_run $dry \
      --reward_funcs "$2"
  }
  reward 2 ./yours.py:score 'there is no file ./yours.py'
  reward 1 ./mine.py:scores './mine.py has no function scores; it has score'
  reward 1 ./mine.py:score 'absent: no such file or folder'
done

# Checkpoints: an unfinished run whose newest one is damaged.
for file in model.safetensors optimizer.safetensors resume.json; do
  rm -rf half
  cp -r run half
  sed -i 's/finished/running/' half/run_state.json
  rm -rf half/checkpoint-3
  head -c 150 "run/checkpoint-2/$file" >"half/checkpoint-2/$file"
  expect 1 "remove half/checkpoint-2, .*$file: .*cut short?" sft --config half/config.yaml --output_dir half
  rm -rf half/checkpoint-2
  expect 0 'resumed from half/checkpoint-1' sft --config half/config.yaml --output_dir half
  cmp half/metrics.jsonl run/metrics.jsonl || say "another log"
done
# One changed byte of the optimiser's moments.
rm -rf half
cp -r run half
sed -i 's/finished/running/' half/run_state.json
rm -rf half/checkpoint-3
moments=half/checkpoint-2/optimizer.safetensors
printf 'x' | dd of=$moments bs=1 seek=$(($(wc -c <$moments) - 99)) conv=notrunc 2>/dev/null
expect 3 'half/checkpoint-2: the hash of optimizer.safetensors' \
  sft --config half/config.yaml --output_dir half
# A checkpoint that was asked for and is none.
# shellcheck disable=SC2086
{
  expect 2 '/nope/checkpoint-3 does not exist; in run there are: checkpoint-1, checkpoint-2, checkpoint-3$' \
    sft $run --resume_from_checkpoint /nope/checkpoint-3
  expect 2 'run/model is no checkpoint of a run' sft $run --resume_from_checkpoint run/model
  expect 2 'run/checkpoint-9 does not exist; in new there is none$' \
    sft $run --output_dir new --resume_from_checkpoint run/checkpoint-9
}
[ ! -e new ] || say "a run that could not go on has left a folder"

# An adapter whose base is named by a path from elsewhere.
# shellcheck disable=SC2086
expect 0 'global_step":3' sft --model_name_or_path run/model $few --use_peft true --output_dir lora
grep -q 'PeftModel.from_pretrained(base' lora/model/README.md || say "the card of an adapter"
mkdir -p elsewhere
(
  cd elsewhere || exit 2
  expect 1 'its base model run/model (.*) is not there.*\.\./lora/model@BASE takes the base from where' \
    generate --model ../lora/model --prompt 1
  expect 0 . generate --model ../lora/model@../run/model --prompt 1 --max_new_tokens 2
  exit $bad
) || bad=1
# A resolved configuration given back is no cause for a warning about keys that had no use.
rm -rf half
expect 0 'train_runtime' sft --config run/config.yaml --output_dir half
printf '%s\n' "$text" | grep -q 'not used' && say "$text"
rm -rf half
cp -r run half
sed -i 's/finished/running/' half/run_state.json
sed -i '2s/"loss"/"lost"/' half/metrics.jsonl
expect 3 'metrics.jsonl: .*restore it, or begin' sft --config half/config.yaml --output_dir half

# What a model says does not steer the terminal.
printf '{"prompt":"1","solution":"\\u001b[31mred"}\n' >red.jsonl
"$OPENR1" grpo --model_name_or_path run/model --dataset_name red.jsonl --output_dir red \
  --reward_funcs accuracy --max_steps 1 --max_completion_length 4 2>log >out || { cat log; bad=1; }
grep -q 'its solution: ?\[31mred' log || say "$(cat log)"
exit $bad
