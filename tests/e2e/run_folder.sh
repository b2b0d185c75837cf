#!/bin/sh
# Where a run may lie: not on what it is made from, but in its folder; what it is made from is in the
# manifest, an adapter's base too.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
cd "$tmp" || exit 2
"$OPENR1" init --config "$OPENR1_SOURCE/recipes/tiny-smoke/init.yaml" --out base 2>log &&
  "$OPENR1" data make chain --count 8 --out d.jsonl 2>log || { cat log; exit 1; }
few="--dataset_name d.jsonl --per_device_train_batch_size 4 --save_steps 1 --max_steps 3"
# shellcheck disable=SC2086
"$OPENR1" sft --model_name_or_path base --from_scratch $few --output_dir first >log 2>&1 ||
  { cat log; exit 1; }
cp -r first/model m
[ ! -e first/completions ] || say "a folder of completions where there are none"

# The model's own folder, also by another name; where the result would come; a dataset's folder.
ln -s m link
mkdir rows && cp d.jsonl rows/train.jsonl
# shellcheck disable=SC2086
{
  expect 2 'output_dir m is m itself.*such as m/run' sft --model_name_or_path m $few --output_dir m
  expect 2 'output_dir link is m itself' sft --model_name_or_path m $few --output_dir link
  expect 2 'first/model, which the run is made from, lies where' \
    sft --model_name_or_path first/model $few --output_dir first --overwrite_output_dir true
  expect 2 'first/checkpoint-2, which the run is made from, lies where' \
    sft --model_name_or_path first/checkpoint-2 $few --output_dir first --overwrite_output_dir true
  expect 2 'output_dir rows is rows itself' \
    sft --model_name_or_path m $few --dataset_name rows --output_dir rows
}
cmp first/model/model.safetensors m/model.safetensors || say "an input was written over"

# In the model's folder: goes on, is done, replays, and a second one beside it changes nothing.
unfinished() { # RUN: as if killed after its first checkpoint
  sed -i 's/finished/running/' "$1/run_state.json"
  rm -rf "$1/model" "$1/checkpoint-2" "$1/checkpoint-3"
}
for run in m/run m/deep/er; do
  # shellcheck disable=SC2086
  set -- sft --model_name_or_path m $few --output_dir "$run"
  expect 0 'global_step":3' "$@"
  cp "$run/metrics.jsonl" whole
  unfinished "$run"
  expect 0 "resumed from $run/checkpoint-1" "$@"
  cmp whole "$run/metrics.jsonl" || say "$run: another log"
  expect 0 'this run is finished' "$@"
done
expect 0 '^identical, 3 steps$' replay m/run
printf ' ' >>m/config.json
expect 2 'changed: the content of m)' "$@"
cp first/model/config.json m/config.json

# What a kill left is swept when the run goes on, or another begins there; other people's files are not.
left="config.yaml.tmp.12.3 metrics.jsonl.tmp.99999.0 completions/completions_00005.jsonl.tmp.7.1"
for how in on anew; do
  mkdir -p m/run/completions
  for file in $left notes.tmp.1.2 config.yaml.tmp completions/mine.tmp.4.5; do echo x >"m/run/$file"; done
  mkdir -p m/run/checkpoint-9.new m/run/checkpoint-8.old m/run/model.new.partial
  anew='--overwrite_output_dir true'
  if [ $how = on ]; then unfinished m/run && anew=''; fi
  # shellcheck disable=SC2086
  expect 0 'global_step":3' sft --model_name_or_path m $few --output_dir m/run $anew
  for file in $left checkpoint-9.new checkpoint-8.old model.new.partial; do
    [ ! -e "m/run/$file" ] || say "$how: m/run/$file is left"
  done
  for file in notes.tmp.1.2 config.yaml.tmp completions/mine.tmp.4.5; do
    [ -e "m/run/$file" ] || say "$how: m/run/$file is gone"
  done
done

# Completions of the last step, though no logging step was reached; the same after a kill, and in a replay.
set -- grpo --model_name_or_path m --dataset_name d.jsonl --reward_funcs accuracy --prompts_per_step 2 \
  --num_generations 4 --max_completion_length 8 --max_steps 2 --save_steps 1 --log_completions true
expect 0 'global_step":2' "$@" --output_dir few
printf '%s\n' "$text" | grep -q 'not used' && say "few: $text"
[ "$(cd few/completions && echo *)" = 'completions_00002.jsonl completions_00002.parquet' ] ||
  say "completions of the last step: $(ls few/completions)"
expect 0 '^identical, 2 steps$' replay few
cp -r few/completions kept
unfinished few
expect 0 'resumed from few/checkpoint-1' "$@" --output_dir few
for file in kept/*; do cmp "$file" "few/completions/${file##*/}" || say "resumed: other completions"; done

# An adapter as the beginning: its base is an input too, whether it is named by the adapter or by the line.
# shellcheck disable=SC2086
expect 0 'global_step":3' sft --model_name_or_path m $few --use_peft true --output_dir lora
for model in lora/model lora/model@m; do
  rm -rf further
  # shellcheck disable=SC2086
  expect 0 'global_step":3' sft --model_name_or_path $model $few --output_dir further
  grep -q '"base_model"' further/manifest.json || say "$model: no base in the manifest"
  expect 0 '^identical, 3 steps$' replay further
  printf ' ' >>m/config.json
  expect 3 'input base_model: m is not what it was' replay further
  cp first/model/config.json m/config.json
done
exit $bad
