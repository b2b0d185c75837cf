#!/bin/sh
# `data make`, `init`, `verify math`, `reward` from outside: fixed forms, equal bytes for equal seeds.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }

# The same seed gives the same bytes; the two sides never meet.
settings='{"worked": 0.5, "n_digits": 3}'
"$OPENR1" data make chain --count 300 --seed 3 --params "$settings" --out "$tmp/a.jsonl"
"$OPENR1" data make chain --count 300 --seed 3 --params "$settings" >"$tmp/b.jsonl"
cmp "$tmp/a.jsonl" "$tmp/b.jsonl"
few='{"n_terms": 2, "max": 20, "answer": "number"}'
"$OPENR1" data make arithmetic --count 40 --split test --distinct true --params "$few" >"$tmp/d.jsonl"
expect "distinct problems" "$(sed 's/.*Calculate//' "$tmp/d.jsonl" | sort -u | wc -l)" 40
status=0
"$OPENR1" data make arithmetic --count 400 --split test --distinct true --params "$few" \
  2>"$tmp/err" >/dev/null || status=$?
expect "status of too few problems" $status 2
grep -q 'distinct problems on this side' "$tmp/err" || fail "too few problems: $(cat "$tmp/err")"
"$OPENR1" data make chain --count 300 --seed 9 --split test --params '{"n_digits": 3}' >"$tmp/t.jsonl"
sed 's/.*"prompt":"\([^"]*\)".*/\1/' "$tmp/a.jsonl" | sort -u >"$tmp/a.prompts"
sed 's/.*"prompt":"\([^"]*\)".*/\1/' "$tmp/t.jsonl" | sort -u >"$tmp/t.prompts"
[ -s "$tmp/t.prompts" ]
expect "problems on both sides" "$(comm -12 "$tmp/a.prompts" "$tmp/t.prompts")" ""
case $(head -1 "$tmp/a.jsonl") in
'{"id":"chain-train-3-0","prompt":'*'"solution":"'?'","worked":'*) ;;
*) fail "row: $(head -1 "$tmp/a.jsonl")" ;;
esac
status=0
"$OPENR1" data make chain --count 1 --params '{"digits": 3}' 2>"$tmp/err" || status=$?
expect "unknown setting" "$status" 2
grep -q 'no setting of generator chain is called "digits"; did you mean "n_digits"' "$tmp/err"

# A folder for training from scratch, its special ids filled in.
"$OPENR1" init --model_config '{"model_type":"llama","hidden_size":16,"num_hidden_layers":1,
  "num_attention_heads":2,"intermediate_size":32,"rms_norm_eps":1e-5,"tie_word_embeddings":true,
  "max_position_embeddings":64}' --alphabet '0123456789+-*= ' --added '<think>,</think>' --special '<|end|>' \
  --out "$tmp/init" 2>"$tmp/err"
grep -q 'parameters' "$tmp/err"
grep -q '"vocab_size": 18' "$tmp/init/config.json"
grep -q '"eos_token_id": 0' "$tmp/init/config.json"
[ -s "$tmp/init/tokenizer.json" ]
shape='{"model_type":"llama","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,
  "intermediate_size":32,"vocab_size":'
"$OPENR1" init --model_config "${shape}64}" --alphabet abc --out "$tmp/padded" 2>"$tmp/err"
grep -q '"vocab_size": 64' "$tmp/padded/config.json"
status=0
"$OPENR1" init --model_config "${shape}3}" --alphabet abc --out "$tmp/x" 2>"$tmp/err" || status=$?
expect "a vocabulary smaller than the tokenizer" "$status" 2
grep -q '"vocab_size" must be at least 4' "$tmp/err"
status=0
"$OPENR1" init --model_config '{"model_type":"llama"}' --alphabet abc --special 'END' --out "$tmp/x" \
  2>"$tmp/err" || status=$?
expect "a special token without brackets" "$status" 2

# One pair, and pairs by the line.
expect "verify" "$("$OPENR1" verify math --gold 1/2 --answer 'so \boxed{0.5}' 2>"$tmp/err")" correct
expect "verify" "$("$OPENR1" verify math --gold 6 --answer 7 2>"$tmp/err")" incorrect
printf '%s\n' '{"id":1,"gold":"1/2","answer":"0.5","extra":0}' \
  '{"id":"b","gold":"","answer":"y"}' '{"id":3}' \
  '{"id":4,"gold":"6","answer":"it is 6","params":{"mode":"latex"}}' |
  "$OPENR1" verify math --jsonl - >"$tmp/v" 2>"$tmp/err" && fail "a record without gold is told by the status"
expect "records" "$(wc -l <"$tmp/v")" 4
head -1 "$tmp/v" | grep -q '^{"id":1,"correct":true,"gold_parsed":"1/2","answer_parsed":"1/2","reason":"'
sed -n 2p "$tmp/v" | grep -q '"id":"b","correct":false.*"reason":"undecided'
sed -n 3p "$tmp/v" | grep -q '^{"id":3,"error":"'
sed -n 4p "$tmp/v" | grep -q '"correct":false'

# Rewards: strings and message lists, columns as lists, parameters from the line and from the record.
messages='[{"role":"assistant","content":"\\boxed{A}"}]'
printf '%s\n' '{"id":7,"completions":["\\boxed{6}","6",'"$messages"'],"solution":["6","6","A"]}' \
  '{"id":8,"completions":["6"],"solution":"6","params":{"mode":"any"}}' >"$tmp/r.jsonl"
"$OPENR1" reward accuracy --jsonl "$tmp/r.jsonl" >"$tmp/r"
expect "rewards" "$(cat "$tmp/r")" '{"id":7,"rewards":[1.0,0.0,1.0]}
{"id":8,"rewards":[1.0]}'
"$OPENR1" reward accuracy --jsonl "$tmp/r.jsonl" --params '{"mode":"any"}' --reasons --out "$tmp/r2"
head -1 "$tmp/r2" | grep -q '"rewards":\[1.0,1.0,1.0\],"reasons":\["'
printf '%s\n' '{"completions":["3*5-8"],"nums":[[3,5,8]],"target":[7]}' |
  "$OPENR1" reward countdown --jsonl - | grep -q '^{"id":null,"rewards":\[1.0\]}$'
# A column of the wrong length costs its record; of the wrong type its judgement, and the reason says why.
status=0
printf '%s\n' '{"id":1,"completions":["6","7"],"solution":["6"]}' '{"id":2,"completions":["6"],"nums":[6]}' \
  '{"id":3,"completions":["6"],"nums":[3,3]}' '{"id":4,"completions":["6"],"prompt":[{"role":"user"},{}]}' |
  "$OPENR1" reward exact --jsonl - --reasons >"$tmp/r" 2>"$tmp/err" || status=$?
expect "status of a column of the wrong length" $status 1
grep -q '^{"id":1,"error":"line 1: column \\"solution\\" has 1 values for 2 completions; it must be' "$tmp/r"
sed -n 2p "$tmp/r" | grep -q '"reasons":\["the row has no column \\"solution\\" or \\"answer\\""\]'
sed -n 3p "$tmp/r" | grep -q '^{"id":3,"error":"line 3: column \\"nums\\" has 2 values for 1 completions'
sed -n 4p "$tmp/r" | grep -q '^{"id":4,"rewards":\[null\]'
status=0
"$OPENR1" reward acuracy --jsonl "$tmp/r.jsonl" 2>"$tmp/err" || status=$?
expect "unknown reward" "$status" 2
grep -q 'did you mean "accuracy"' "$tmp/err"

# The recipe's problems are what it says they were made by.
recipe=$OPENR1_SOURCE/recipes/smollm2-arithmetic
few='{"n_terms": 2, "max": 50, "answer": "number"}'
"$OPENR1" data make arithmetic --count 4096 --seed 1 --params "$few" | cmp - "$recipe/train.jsonl"
"$OPENR1" data make arithmetic --count 256 --seed 2 --split test --distinct true --params "$few" |
  cmp - "$recipe/held-out.jsonl"
