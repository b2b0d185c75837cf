#!/bin/sh
# The n-th allocation fails, for n spread over all of a command: it ends as if nothing had been (a library can
# do without), or with words about memory; never by a fault or in a hang, and never is a result on disk or on
# standard output another than the whole one.
set -u
program=$OPENR1_BUILD/tests/openr1_fail_alloc
[ -x "$program" ] || { echo "skipped: no $program (a build with sanitizers)"; exit 77; }
golden=$OPENR1_SOURCE/tests/golden
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
ulimit -c 0
bad=0
runs=0
say() { echo "FAILED: $*"; bad=1; }

mkdir tok
cp "$golden/tokenizers/small-llama3.json" tok/tokenizer.json
cp "$golden/chatml/chatml.jinja" tok/chat_template.jinja
echo '{"id":1,"text":"the answer is","messages":[{"role":"user","content":"1 + 1?"}]}' >text.jsonl
"$OPENR1" init --config "$OPENR1_SOURCE/recipes/tiny-smoke/init.yaml" --out base 2>log &&
  "$OPENR1" data make chain --count 8 --out data.jsonl 2>log &&
  "$OPENR1" sft --model_name_or_path base --from_scratch --dataset_name data.jsonl --output_dir first \
    --max_steps 1 --per_device_train_batch_size 4 >log 2>&1 || { cat log; exit 1; }

once() { # SAYS ARGUMENTS...: run it into a clean place, with a limit on its time
  says=$1
  shift
  rm -rf result
  runs=$((runs + 1))
  timeout 30 "$program" "$@" --threads 1 >"$says" 2>log
}
# $results: what the command leaves under result/, byte for byte the same in every whole run
compare() { # WHERE
  for path in $results; do
    [ -e "result/$path" ] || { [ "$status" != 0 ] || say "$1: status 0 without result/$path"; continue; }
    size=$(wc -c <"result/$path")
    # A log may have been stopped before its first step.
    [ "$path$size" = metrics.jsonl0 ] && [ "$status" != 0 ] && continue
    cmp -s "result/$path" "whole/$path" || say "$1: another result/$path"
  done
  [ "$status" != 0 ] || cmp -s said whole.said || say "$1: another standard output"
}
fails() { # PLACES ARGUMENTS...: fail at so many places
  places=$1
  shift
  FAIL_ALLOC_COUNT=count once whole.said "$@" || { say "$* without a failure: $(cat log)"; return; }
  total=$(cat count)
  rm -rf whole
  [ ! -e result ] || mv result whole
  stride=$((total / places + 1)) n=1 said=0
  while [ "$n" -le "$total" ]; do
    for at in "$n" "$n+"; do
      status=0
      FAIL_ALLOC=$at once said "$@" || status=$?
      where="$1: allocation $at of $total"
      case $status in
      0) ;;
      1 | 134) # an error, or the abort of memory_is_out
        said=$((said + 1))
        grep -q 'out of memory\|no memory\|Cannot allocate memory\|nable to allocate' log ||
          say "$where: status $status says: $(tail -1 log)" ;;
      *) say "$where: status $status: $(tail -1 log)" ;;
      esac
      compare "$where"
    done
    n=$((n + stride))
  done
  [ "$said" -gt 0 ] || say "$1: no failure had a consequence: is it failing at all?"
}

results=''
fails 20 inspect "$golden/models/llama_plain"
fails 12 tokenize --model tok --jsonl text.jsonl
fails 12 template --model tok --jsonl text.jsonl
fails 20 verify math --gold '$\frac{1}{3}+\sqrt{2}$' --answer 'it is \boxed{\sqrt{2}+\frac{2}{6}}'
results=out.jsonl
fails 20 generate --model first/model --jsonl data.jsonl --max_new_tokens 4 --out result/out.jsonl
results='model.safetensors config.json tokenizer.json'
fails 20 convert --model first/model --out result
results='results.json samples.jsonl'
fails 12 eval --model first/model --tasks chain --limit 4 --max_new_tokens 4 --out result
results='metrics.jsonl model/model.safetensors'
fails 30 sft --model_name_or_path base --from_scratch --dataset_name data.jsonl --output_dir result \
  --max_steps 1 --per_device_train_batch_size 4
fails 30 grpo --model_name_or_path first/model --dataset_name data.jsonl --output_dir result \
  --max_steps 1 --reward_funcs accuracy --prompts_per_step 2 --num_generations 2 --max_completion_length 4
echo "$runs runs"
exit $bad
