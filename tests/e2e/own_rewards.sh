#!/bin/sh
# Rewards of the user: Python functions as TRL calls them, executables, and what happens when they fail.
set -eu
command -v python3 >/dev/null 2>&1 || { echo "skipped: no python3"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }

cat >"$tmp/mine.py" <<'PYTHON'
import os, sys, time
calls = 0

def length(completions, **kwargs):
    return [float(len(c)) for c in completions]

def roles(prompts, completions, solution, **kwargs):
    print("standard output is not the answer")
    return [float(c[0]["content"] == s and p[0]["role"] == "user")
            for p, c, s in zip(prompts, completions, solution)]

def partly(completions, scale=1.0):  # no **kwargs: only what is named
    return [None if not c else float("nan") if c == "nan" else scale for c in completions]

def telling(completions, log_extra, log_metric, **kwargs):  # what TRL hands over for its tables and metrics
    log_extra("length", [len(c) for c in completions])
    log_metric("longest", max(len(c) for c in completions))
    return [0.5 for _ in completions]

def tokens(completions, completion_ids, **kwargs):
    return [len(ids) for ids in completion_ids]

def nowhere(completions, **kwargs):
    return [float("nan") for _ in completions]

def nothing(completions, **kwargs):
    return [None for _ in completions]

def zero(completions, **kwargs):
    return [0.0 for _ in completions]

async def later(completions, **kwargs):
    return [0.25 for _ in completions]

def short(completions, **kwargs):
    return [1.0]

def bad(completions, **kwargs):
    raise KeyError("no such thing")

def infinite(completions, **kwargs):
    return [float("inf") for _ in completions]

def once(completions, **kwargs):  # dies at its first call, ever
    flag = os.environ["FLAG"]
    if not os.path.exists(flag):
        open(flag, "w").close()
        os._exit(7)
    return [0.5 for _ in completions]

def dies(completions, **kwargs):
    sys.stderr.write("last words\n")
    os._exit(3)

def sleeps(completions, **kwargs):
    time.sleep(60)

def chatty(completions, **kwargs):
    for i in range(1000):
        print("line", i, file=sys.stderr)
    return [1.0 for _ in completions]
PYTHON
ids='[[1,2],[],[3]]'
printf '%s\n' '{"id":1,"completions":["abc","","nan"],"solution":["a","b","c"],"completion_ids":'"$ids}" \
  '{"id":2,"completions":["é"],"completion_ids":[[9]]}' >"$tmp/r.jsonl"
head -1 "$tmp/r.jsonl" >"$tmp/one.jsonl"
run() { "$OPENR1" reward "$@" 2>"$tmp/err"; }

expect length "$(run "$tmp/mine.py:length" --jsonl "$tmp/r.jsonl")" '{"id":1,"rewards":[3.0,0.0,3.0]}
{"id":2,"rewards":[1.0]}'
partly=$(run "$tmp/mine.py:partly" --jsonl "$tmp/r.jsonl" --params '{"scale":0.5}' | head -1)
expect parameters "$partly" \
  '{"id":1,"rewards":[0.5,null,null]}'
run "$tmp/mine.py:partly" --jsonl "$tmp/one.jsonl" --reasons >"$tmp/out"
grep -q '"said by [^"]*","partly said nothing","partly said NaN, which counts as None"' "$tmp/out" ||
  fail "NaN and None: $(cat "$tmp/out")"
expect completion_ids "$(run "$tmp/mine.py:tokens" --jsonl "$tmp/r.jsonl" | head -1)" \
  '{"id":1,"rewards":[2.0,0.0,1.0]}'
expect async "$(run "$tmp/mine.py:later" --jsonl "$tmp/r.jsonl" | tail -1)" '{"id":2,"rewards":[0.25]}'
expect "TRL's loggers" "$(run "$tmp/mine.py:telling" --jsonl "$tmp/r.jsonl" | tail -1)" \
  '{"id":2,"rewards":[0.5]}'
grep -q 'mine.py:telling: longest: 3' "$tmp/err" || fail "log_metric: $(cat "$tmp/err")"
expect module "$(cd "$tmp" && run mine.length --jsonl r.jsonl | tail -1)" '{"id":2,"rewards":[1.0]}'
user='[{"role":"user","content":"q"}]' said='[{"role":"assistant","content":"a"}]'
printf '{"id":3,"prompts":[%s],"completions":[%s],"solution":["a"]}\n' "$user" "$said" >"$tmp/chat.jsonl"
expect messages "$(run "$tmp/mine.py:roles" --jsonl "$tmp/chat.jsonl")" '{"id":3,"rewards":[1.0]}'
grep -q 'mine.py:roles: standard output is not the answer' "$tmp/err" || fail "print: $(cat "$tmp/err")"

# Failures name the function and what to do; one record's failure does not cost the others.
status=0
run "$tmp/mine.py:short" --jsonl "$tmp/r.jsonl" >"$tmp/out" || status=$?
expect "a failure of one record" $status 1
head -1 "$tmp/out" | grep -q 'mine.py:short returned 1 rewards for 3 completions' || fail "$(cat "$tmp/out")"
tail -1 "$tmp/out" | grep -q '"rewards":\[1.0\]' || fail "$(cat "$tmp/out")"
run "$tmp/mine.py:bad" --jsonl "$tmp/r.jsonl" | grep -q "KeyError: 'no such thing'" || fail "an exception"
run "$tmp/mine.py:infinite" --jsonl "$tmp/r.jsonl" | grep -q 'a reward is infinite' || fail "infinity"
FLAG=$tmp/flag run "$tmp/mine.py:once" --jsonl "$tmp/r.jsonl" >"$tmp/out"
grep -q '"id":1,"rewards":\[0.5,0.5,0.5\]' "$tmp/out" || fail "a crash is tried again: $(cat "$tmp/err")"
grep -q 'exit status 7' "$tmp/err" || fail "a crash is told: $(cat "$tmp/err")"
run "$tmp/mine.py:dies" --jsonl "$tmp/one.jsonl" | grep -q 'exit status 3, twice' || fail "two crashes"
grep -q 'mine.py:dies: last words' "$tmp/err" || fail "last words: $(cat "$tmp/err")"
run "$tmp/mine.py:sleeps" --jsonl "$tmp/one.jsonl" --reward_timeout 0.3 >"$tmp/out" || true
grep -q 'did not answer in time, twice' "$tmp/out" || fail "too slow: $(cat "$tmp/out")"
run "$tmp/mine.py:chatty" --jsonl "$tmp/one.jsonl" | grep -q '"rewards":\[1.0,1.0,1.0\]' || fail "chatty"
expect "lines shown" "$(grep -c 'mine.py:chatty: line' "$tmp/err")" 20
for wrong in "$tmp/none.py:f" "$tmp/mine.py" "$tmp/none"; do
  status=0
  run "$wrong" --jsonl "$tmp/r.jsonl" >"$tmp/out" || status=$?
  expect "$wrong" $status 2
done
status=0
run "$tmp/mine.py:nobody" --jsonl "$tmp/one.jsonl" >"$tmp/out" || status=$?
expect "no such function" $status 1
grep -q "mine.py has no function nobody; it has length, roles, partly" "$tmp/err" || fail "$(cat "$tmp/err")"

# An executable in any language; a pool in training, the same rewards for any number of workers.
cat >"$tmp/prog" <<'SHELL'
#!/bin/sh
while read -r line; do
  case $line in
  *'"id":2'* | *é*) echo '{"rewards":[0.75]}' ;;
  *) echo '{"rewards":[1,null,0.5]}' ;;
  esac
done
SHELL
chmod +x "$tmp/prog"
expect executable "$(run "$tmp/prog" --jsonl "$tmp/r.jsonl")" '{"id":1,"rewards":[1.0,null,0.5]}
{"id":2,"rewards":[0.75]}'

"$OPENR1" init --model_config '{"model_type":"llama","hidden_size":16,"num_hidden_layers":1,
  "num_attention_heads":2,"intermediate_size":32,"rms_norm_eps":1e-5,"tie_word_embeddings":true,
  "max_position_embeddings":64}' --alphabet '0123456789+=' --special '<|end|>' --out "$tmp/base" 2>"$tmp/err"
for i in 1 2 3 4 5 6 7 8; do
  echo "{\"prompt\":\"$i+1=\",\"completion\":\"$((i + 1))\",\"solution\":\"$((i + 1))\"}"
done >"$tmp/sums.jsonl"
"$OPENR1" sft --model_name_or_path "$tmp/base" --from_scratch true --dataset_name "$tmp/sums.jsonl" \
  --output_dir "$tmp/sft" --max_steps 2 --save_strategy no 2>"$tmp/err" >"$tmp/out" ||
  fail "$(tail -5 "$tmp/err")"
train() { # NAME REWARDS WORKERS ARGUMENTS...: prints the hash of the weights
  name=$1 rewards=$2 workers=$3
  shift 3
  "$OPENR1" grpo --model_name_or_path "$tmp/sft/model" --dataset_name "$tmp/sums.jsonl" \
    --output_dir "$tmp/$name" --reward_funcs "$rewards" --prompts_per_step 4 --num_generations 4 \
    --max_completion_length 6 --max_steps 2 --learning_rate 1e-2 --save_strategy no \
    --reward_workers "$workers" "$@" 2>"$tmp/err" >"$tmp/out" || {
    tail -5 "$tmp/err"
    return 1
  }
  sed 's/.*"weights":"\([0-9a-f]*\)".*/\1/' "$tmp/out"
}
one=$(train one "exact,$tmp/mine.py:length" 1) || fail "training: $one"
expect "two workers" "$(train two "exact,$tmp/mine.py:length" 2)" "$one"
grep -q '"rewards/length/mean"' "$tmp/one/metrics.jsonl" || fail "the metric has the function's name"
status=0
train three "$tmp/mine.py:bad" 1 >"$tmp/told" || status=$?
expect "a failing reward stops training" $status 1
grep -q 'mine.py:bad: KeyError' "$tmp/told" || fail "the function is named: $(cat "$tmp/told")"

# What it says is of use: correct the function, and the run goes on where it was.
status=0
train four "$tmp/mine.py:bad" 1 --preflight false >"$tmp/told" || status=$?
expect "a failing reward stops a run" $status 1
grep -q 'step 1 (correct the reward; the same command with --resume_from_checkpoint true.*/checkpoint-0' \
  "$tmp/told" || fail "what to do about a failing reward: $(cat "$tmp/told")"
sed -i 's/    raise KeyError.*/    return [1.0 for _ in completions]/' "$tmp/mine.py"
train four "$tmp/mine.py:bad" 1 --preflight false --resume_from_checkpoint true >"$tmp/told" ||
  fail "a corrected reward: $(cat "$tmp/told")"
grep -q 'resumed from .*/checkpoint-0 at step 0 of 2' "$tmp/err" || fail "resumed: $(cat "$tmp/err")"

# What a run of two steps says of rewards that teach nothing.
train five "$tmp/mine.py:nowhere" 1 --preflight false >"$tmp/told"
grep -q 'warning: nowhere returned NaN for 16 of 16 completions.*Look at the function' "$tmp/err" ||
  fail "NaN: $(cat "$tmp/err")"
if grep -q "dataset's columns\|are zero" "$tmp/err"; then fail "wrong advice about NaN: $(cat "$tmp/err")"; fi
train six "exact,$tmp/mine.py:nothing" 1 --preflight false >"$tmp/told"
grep -q 'nothing could judge none of the 16 .*Look at what the function returns' "$tmp/err" ||
  fail "None: $(cat "$tmp/err")"
train seven "$tmp/mine.py:zero" 1 --preflight false >"$tmp/told"
[ "$(grep -c "warning: all rewards of this run's 2 generations are zero" "$tmp/err")" = 1 ] ||
  fail "zeros: $(cat "$tmp/err")"
echo "own rewards: good"
