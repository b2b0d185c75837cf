#!/bin/sh
# `openr1 replay`: a run gives the same bits again, from its start or a checkpoint, on other threads and
# kernels; what was changed since is named: a record, the configuration, an input, a file of a model; two runs
# are told apart at the step and the thing in which they first part.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
cd "$tmp" || exit 2
call() { "$OPENR1" replay "$@"; }
"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' \
  --model_config '{"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "intermediate_size": 64, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
  "rope_theta": 10000.0, "tie_word_embeddings": true, "initializer_range": 0.1}' >/dev/null 2>&1
awk 'BEGIN { for (i = 0; i < 60; i++) {
  a = i % 8; b = int(i / 8)
  printf "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", a, b, a + b, a + b
} }' >sums.jsonl
# A reward that depends on more than it is given: what a replay finds out.
echo 0.5 >bonus
cat >fickle <<'END'
#!/bin/sh
while read -r line; do read -r x <bonus; echo "{\"rewards\":[$x,0,1,0]}"; done
END
chmod +x fickle
"$OPENR1" sft --model_name_or_path base --from_scratch true --dataset_name sums.jsonl --output_dir sft \
  --learning_rate 1e-2 --per_device_train_batch_size 8 --gradient_accumulation_steps 3 --max_steps 20 \
  --save_steps 6 >/dev/null 2>log || { cat log; exit 1; }
grpo() { # DIR ARGUMENTS...
  dir=$1
  shift
  "$OPENR1" grpo --model_name_or_path sft/model --dataset_name sums.jsonl --output_dir "$dir" \
    --reward_funcs exact,./fickle --learning_rate 1e-3 --prompts_per_step 3 --num_generations 4 \
    --num_iterations 2 --steps_per_generation 2 --max_completion_length 4 --max_steps 12 --save_steps 3 \
    --beta 0.02 --log_completions true --logging_steps 5 "$@" >/dev/null 2>log || { cat log; exit 1; }
}
grpo run

# The same bits again.
expect 0 '^identical, 20 steps$' sft
expect 0 '^identical, 12 steps$' run --threads 1
expect 0 '^identical, 3 steps$' run --from 10
expect 0 'replaying from run/checkpoint-6' run --from 8 --to 9
expect 0 '^identical, 2 steps$' run --from 2 --to 3
OPENR1_ISA=ref expect 0 '^identical, 4 steps$' run --to 4
expect 2 'records of run go from 1 to 12' run --from 5 --to 13
expect 1 'absent: no such run' absent
[ -z "$(ls "${TMPDIR:-/tmp}" | grep openr1-replay)" ] || say "a scratch folder is left"
expect 0 'identical' run --to 1 --scratch kept
[ -s kept/metrics.jsonl ] || say "the scratch folder asked for is not kept"
expect 2 'kept is there already' run --scratch kept

# Records, manifest and configuration that were changed.
changed() { # a fresh copy of the run
  rm -rf copy
  cp -r run copy
}
changed
sed -i '5s/"reward":/"rewerd":/' copy/metrics.jsonl
expect 3 'copy/metrics.jsonl: line 6 (step 6) does not follow' copy
changed
sed -i '12s/"epoch":/"epoxh":/' copy/metrics.jsonl
expect 3 'the last record (step 12) has the hash .* the manifest says' copy
changed
sed -i 12d copy/metrics.jsonl
expect 3 'changed or cut off at the end' copy
changed
sed -i 's/^learning_rate: .*/learning_rate: 0.002/' copy/config.yaml
expect 3 'copy/config.yaml has changed since the run' copy
changed
head -c 200 run/manifest.json >copy/manifest.json
expect 1 'manifest.* cannot be read: .*cut short' copy
changed
sed -i 's/"commit": ".*"/"commit": "0123456789ab"/' copy/manifest.json
expect 0 'made by openr1 .* (0123456789ab), this is' copy
changed
printf 'x' >>copy/model/config.json
expect 3 'copy/model/config.json has changed' copy
rm -r copy/model
expect 0 'output model: copy/model is not there' copy --to 2

# A forger who makes chain, manifest and weights fit still has to answer for what the steps really do.
changed
: >copy/forged
prev=$(printf '%064d' 0)
while read -r line; do
  line=$(printf '%s' "$line" | sed "s/\"prev\":\"[0-9a-f]*\"/\"prev\":\"$prev\"/
    s/\"step\":7,\"loss\":[-0-9.e]*/\"step\":7,\"loss\":-0.5/")
  printf '%s\n' "$line" >>copy/forged
  prev=$(printf '%s' "$line" | sha256sum | cut -d' ' -f1)
done <copy/metrics.jsonl
mv copy/forged copy/metrics.jsonl
sed -i "s/\"log_head\": \".*\"/\"log_head\": \"$prev\"/" copy/manifest.json
expect 3 'step 7 parts in a logged number: "loss" is -0.5 in the record' copy

# Completions are what people read: they must be those of the steps, too.
file=completions/completions_00005.jsonl
[ -s run/$file ] && [ -s run/completions/completions_00005.parquet ] || say "no completions of step 5"
changed
sed -i '2s/"completion":"[^"]*"/"completion":"rightly so"/' copy/$file
expect 3 "$file:2: \"completion\" is \"rightly so\"; the same step, run again, gives " copy
changed
sed -i '7s/"rewards":{"[a-z_/]*":[0-9.]*/"rewards":{"exact":7/' copy/$file
expect 3 "$file:7: \"rewards\" is {\"exact\":7" copy --from 4 --to 6
expect 0 '^identical, 4 steps$' copy --to 4
changed
sed -i 3d copy/$file
expect 3 "$file:3: " copy
changed
sed -i '$d' copy/$file
expect 3 "$file: has fewer completions" copy
changed
printf 'x' >>copy/completions/completions_00010.parquet
expect 3 'completions_00010.parquet: its hash is ' copy
changed
cp copy/$file copy/completions/completions_00006.jsonl
expect 3 'completions_00006.jsonl:1: "step" is 5; the same step, run again, gives 6' copy
changed
rm copy/$file
expect 0 'and 5 files of completions' copy

# Inputs that are not what they were.
sed -i 's/0.5/0.25/' bonus
expect 3 'step 1 parts in rewards: .*a reward that depends on more than its input' run
echo 0.5 >bonus
expect 0 'identical' run
cp sums.jsonl whole.jsonl
sed -i '3s/"solution":"2"/"solution":"3"/' sums.jsonl
expect 3 'input dataset: sums.jsonl is not what it was' run
cp whole.jsonl sums.jsonl
printf '\n' >>sft/model/tokenizer_config.json
expect 3 'sft/model/tokenizer_config.json has changed' run
sed -i '$d' sft/model/tokenizer_config.json
mv sft moved
expect 3 'input model: sft/model is not there' run
mv moved sft
echo '# changed' >>fickle
expect 3 'input reward_2: ./fickle is not what it was' run
sed -i '$d' fickle

# Two runs.
grpo again --threads 1
expect 0 '^identical, 12 steps$' run again
for case in 'seed 7 data' 'temperature 0.5 rollouts' 'learning_rate 2e-3 weights'; do
  set -- $case
  rm -rf other
  grpo other "--$1" "$2"
  expect 3 "step 1 parts in $3" run other
  printf '%s\n' "$text" | grep -q "configurations differ: $1 is" || say "the key $1 is not named: $text"
done
rm -rf other
grpo other --max_steps 9 --lr_scheduler_type constant
rm -rf third
grpo third --lr_scheduler_type constant
expect 3 'other ends after 9 steps, third has 12' other third
exit $bad
