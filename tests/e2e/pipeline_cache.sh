#!/bin/sh
# Stages of a pipeline are cached by content: nothing runs twice, a changed key runs again what depends on it
# and nothing else, a stage that makes the same again stops the wave, and what was removed, tampered with or
# killed is made again.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
bad=0
say() { echo "FAILED: $*"; tail -5 log; bad=1; }
mkdir recipes
cat >recipes/base.yaml <<'END'
from_scratch: true
model_name_or_path: out/init
dataset_name: out/a.jsonl
output_dir: out/base
max_steps: 2
END
printf 'tasks: [chain]\ndataset_name: out/held.jsonl\nmax_new_tokens: 2\n' >recipes/eval.yaml
cat >recipes/pipeline.yaml <<'END'
root: out
seed: 3
defaults:
  sft: {save_strategy: "no", per_device_train_batch_size: 4}
evaluations:
  - {name: greedy, config: eval.yaml}
stages:
  - {name: init, command: init, args: {alphabet: "0123456789+-*= ", special: "<|end|>", out: out/init,
     added: "<think>,</think>", model_config: {model_type: llama, hidden_size: 16, num_hidden_layers: 1,
     num_attention_heads: 2, intermediate_size: 32, rms_norm_eps: 1.0e-05, tie_word_embeddings: true,
     max_position_embeddings: 64}}}
  - {name: data-a, command: data make, args: {name: chain, count: 16, out: out/a.jsonl}}
  - {name: data-b, command: data make, args: {name: chain, count: 12, seed: 9, out: out/b.jsonl}}
  - {name: held, command: data make, args: {name: chain, count: 4, split: test, out: out/held.jsonl}}
  - {name: base, command: sft, config: base.yaml}
  - {name: left, label: Left, command: sft, evaluate: true, args: {model_name_or_path: out/base/model,
     dataset_name: out/b.jsonl, output_dir: out/left, max_steps: 3}}
  - {name: right, command: generate, args: {model: out/base/model, jsonl: out/held.jsonl,
     max_new_tokens: 3, out: out/right.jsonl}}
END
ran() { # STAGES: what the next run runs, in order
  "$OPENR1" run recipes/pipeline.yaml >text 2>log || say "the pipeline fails"
  have=$(sed -n 's/^\[[0-9/]*\] \([A-Za-z-]*\)$/\1/p' log | tr '\n' ' ')
  [ "$have" = "$1" ] || say "ran: $have; expected: $1"
}
edit() { sed -i "$1" recipes/"$2"; }
ran 'init data-a data-b held base Left right '
grep -q 'per_device_train_batch_size: 4' out/base/config.yaml || say "defaults do not reach a stage"
first=$(grep 'final hash' text)
ran ''
grep -q 'Left: done before, kept' log || say "what is kept is not said"
[ "$(grep 'final hash' text)" = "$first" ] || say "kept stages give another hash"
edit '1s/^/# a comment\n/' base.yaml
edit 's/label: Left/label: Links/' pipeline.yaml
ran ''
edit 's/label: Links/label: Left/' pipeline.yaml

# A changed key, and what depends on it.
edit 's/count: 12, seed: 9/count: 13, seed: 9/' pipeline.yaml
ran 'data-b Left '
edit 's/max_steps: 2/max_steps: 4/' base.yaml
ran 'base Left right '
edit 's/max_new_tokens: 2/max_new_tokens: 3/' eval.yaml
ran 'Left '
edit 's/seed: 3/seed: 4/' pipeline.yaml
ran 'init data-a held base Left right '
# The same is made again: the wave stops. (The memory limit decides nothing here.)
echo 'max_memory_gb: 1' >>recipes/base.yaml
ran 'base '
# Back again: not what was, but the same.
edit 's/seed: 4/seed: 3/' pipeline.yaml
edit 's/count: 13, seed: 9/count: 12, seed: 9/' pipeline.yaml
edit 's/max_steps: 4/max_steps: 2/' base.yaml
edit 's/max_new_tokens: 3/max_new_tokens: 2/' eval.yaml
ran 'init data-a data-b held base Left right '
[ "$(grep 'final hash' text)" = "$first" ] || say "the same recipe, another hash"

# Gone, or tampered with.
rm -r out/base/model
ran 'base '
rm out/a.jsonl
ran 'data-a '
echo x >>out/left/model/config.json
ran 'Left '
echo x >>out/left/greedy/results.json
ran 'Left '
[ "$(grep 'final hash' text)" = "$first" ] || say "made again, another hash"
# Killed within a stage: that one resumes, those before are kept.
long='max_steps: 4000, save_strategy: steps, save_steps: 5'
edit "s/left, max_steps: 3/left, $long/" pipeline.yaml
"$OPENR1" run recipes/pipeline.yaml >text 2>log &
pid=$!
until [ -d out/left/checkpoint-10 ] || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -TERM $pid
wait $pid
status=$?
[ $status = 75 ] || say "status $status after SIGTERM"
"$OPENR1" run --verbose true recipes/pipeline.yaml >text 2>log &
pid=$!
until grep -q 'resumed from out/left/checkpoint-' log || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -KILL $pid
wait $pid 2>/dev/null
grep -q 'resumed from out/left/checkpoint-' log || say "the stage began anew"
# Changed meanwhile: what was made from something else is not gone on with.
edit 's/max_steps: 4000/max_steps: 6/' pipeline.yaml
ran 'Left '
# A stage that reads an adapter reads its base too, wherever that lies.
cp -r out/base/model apart
"$OPENR1" sft --model_name_or_path apart --use_peft true --dataset_name out/a.jsonl --output_dir adapted \
  --max_steps 1 >text 2>log || say "the adapter fails"
for model in adapted/model adapted/model@apart; do
  rm -rf third
  cat >recipes/pipeline.yaml <<END
root: third
stages:
  - {name: read, command: generate, args: {model: $model, jsonl: out/held.jsonl, max_new_tokens: 3,
     out: third/lines.jsonl}}
END
  ran 'read '
  ran ''
  echo >>apart/config.json
  ran 'read '
done
exit $bad
