#!/bin/sh
# Each recipe that is one file runs, at tiny scale: every stage and evaluation, then the report; a second run
# keeps them all. (What the recipes reach at their own scale is in their README.md.)
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
bad=0
say() { echo "FAILED: $*"; bad=1; }
shrink() { # FILE
  sed -E 's/count: [0-9]{4,}/count: 64/g; s/count: (160|96)/count: 16/; s/count: 256/count: 8/
    s/per_device_train_batch_size: [0-9]+/per_device_train_batch_size: 16/g
    s/prompts_per_step: [0-9]+/prompts_per_step: 4/g
    s/(num_train_epochs|max_steps): [0-9]+/max_steps: 2/g
    s/warmup_steps: [0-9]+/warmup_steps: 1/g; s/num_samples: 8/num_samples: 2/; s/min: 1,/min: 0,/
    s/hidden_size: (64|48)/hidden_size: 16/; s/num_hidden_layers: [0-9]/num_hidden_layers: 1/
    s/intermediate_size: [0-9]+/intermediate_size: 32/' "$1"
}
for name in r1-tiny r1-zero open-r1-distill dapo dr-grpo gspo; do
  shrink "$OPENR1_SOURCE/recipes/$name/pipeline.yaml" >$name.yaml
  "$OPENR1" run $name.yaml >out 2>log || {
    say "$name: $(tail -2 log)"
    continue
  }
  grep -q '^final hash  [0-9a-f]\{64\}$' out || say "$name: no final hash: $(tail -2 out)"
  stages=$(grep -c '{name: [a-z0-9-]*, \(label: .*, \)\{0,1\}command:' $name.yaml)
  [ -s "runs/$name/report.html" ] || say "$name: no report"
  "$OPENR1" run $name.yaml >again 2>log || say "$name, again: $(tail -2 log)"
  [ "$(grep -c 'done before, kept' log)" = "$stages" ] || say "$name: of $stages stages not all are kept"
  cmp out again || say "$name: another result from kept stages"
  about=$OPENR1_SOURCE/recipes/$name/README.md
  grep -q '^\*\*Cost.\*\* [0-9][0-9]* seconds' "$about" && grep -q '^\*\*Expected\*\*' "$about" ||
    say "$name: README.md does not say what it costs and what is expected"
done
for label in 'Cold start' 'Reasoning RL' 'Dev3' 'RL for all' 'Distilled student'; do
  "$OPENR1" run r1-tiny.yaml 2>/dev/null | grep -q "$label" || say "r1-tiny: the story lacks $label"
done
exit $bad
