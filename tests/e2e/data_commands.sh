#!/bin/sh
# `data mix`, `dedup`, `decontaminate` and `stats` from outside.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { echo "$1"; cat log; exit 1; }
cat >a.jsonl <<'END'
{"problem":"What is the sum of all primes below ten in the usual order?","id":1}
{"problem":"How many cats are in the hat that the man wears on Sundays?","id":2}
{"problem":"what is the SUM of all primes below ten  in the usual order?","id":3}
END
echo '{"problem":"Tell me: what is the sum of all primes below ten, please","id":9}' >bench.jsonl

"$OPENR1" data dedup a.jsonl --out once.jsonl --removed twice.jsonl 2>log || fail dedup
[ "$(grep -c . once.jsonl)" = 2 ] && ! grep -q '"id":3' once.jsonl || fail "the copy stays"
grep -q '"at":"a.jsonl:3","repeats":"a.jsonl:1"' twice.jsonl || fail "what was removed is not said"

check() { "$OPENR1" data decontaminate a.jsonl "$@" 2>log; }
check --benchmarks nine=bench.jsonl:problem --out marked.jsonl || fail mark
[ "$(grep -c '"contaminated_nine":true' marked.jsonl)" = 2 ] || fail "marks"
check --benchmarks nine=bench.jsonl --cleanup --out clean.jsonl || fail clean
[ "$(cat clean.jsonl)" = "$(sed -n 2p a.jsonl)" ] || fail "the clean row is not as it was"
check --benchmarks nine=bench.jsonl --ngram_size 13 --out m.jsonl || fail 13
! grep -q true m.jsonl || fail "13 words are shared"
! check --benchmarks bench.jsonl || fail "a benchmark without a name"
grep -q 'NAME=DATASET' log || fail "what a benchmark is"
! check --problem_column text --benchmarks b=bench.jsonl || fail column
grep -q 'a.jsonl: no row has text in column text' log || fail "the column is not named"

# Rows without text stay and are counted; what is neither text nor messages is an error that names its place.
{ cat a.jsonl; echo '{"problem":null,"id":4}'; echo '{"id":5}'; } >holes.jsonl
"$OPENR1" data dedup holes.jsonl --out once.jsonl 2>log || fail "dedup of holes"
[ "$(grep -c . once.jsonl)" = 4 ] || fail "rows without text are no copies of each other"
grep -q '2 of 5 rows have no text in column .* (the first: holes.jsonl, line 4) and stay' log || fail counted
"$OPENR1" data decontaminate holes.jsonl --benchmarks b=holes.jsonl --cleanup --out clean.jsonl 2>log ||
  fail "decontaminate of holes"
[ "$(grep -c . clean.jsonl)" = 2 ] || fail "rows without text are clean"
grep -q '2 of 5 rows .* are no part of the benchmark' log || fail "not counted in the benchmark"
{ cat a.jsonl; echo '{"problem":7}'; } >seven.jsonl
for command in dedup 'decontaminate --benchmarks b=bench.jsonl'; do
  # shellcheck disable=SC2086
  ! "$OPENR1" data ${command%% *} seven.jsonl ${command#"${command%% *}"} >out 2>log || fail "$command"
  grep -q 'seven.jsonl:4: column problem is an integer; text or messages are wanted' log || fail "$command"
done
! "$OPENR1" data dedup a.jsonl --column promt 2>log || fail "a column that is not there"
grep -q 'a.jsonl: no row has text in column promt' log || fail "the misspelt column is not named"

cat >mix.yaml <<'END'
dataset_mixture:
  datasets:
  - {id: a.jsonl, columns: [problem]}
  - {id: bench.jsonl, columns: [problem], weight: null}
  seed: 3
  test_split_size: 1
END
"$OPENR1" data mix --config mix.yaml --out mixed.jsonl --test_out test.jsonl 2>log || fail mix
[ "$(cat mixed.jsonl test.jsonl | sort | uniq | grep -c '^{"problem":')" = 4 ] || fail "mixed rows"
[ "$(grep -c . test.jsonl)" = 1 ] || fail "held out"
"$OPENR1" data mix --config mix.yaml --out again.jsonl --test_out t.jsonl 2>log || fail again
cmp mixed.jsonl again.jsonl
! "$OPENR1" data mix --config mix.yaml 2>log || fail "rows held out to nowhere"
mix() { # COLUMNS
  "$OPENR1" data mix --dataset_mixture '{"datasets":[{"id":"holes.jsonl","columns":['"$1"']}]}' 2>log
}
[ "$(mix '"problem"' | grep -c '^{"problem":null}$')" = 2 ] || fail "a column is missing in its rows"
! mix '"problem","promt"' || fail "a column that no row has"
grep -q "no row of holes.jsonl has a column 'promt'" log || fail "the column is not named"

"$OPENR1" data stats a.jsonl >stats 2>log || fail stats
want='"rows":3,"columns":{"problem":{"text":3},"id":{"number":3}},"forms":{"none":3},"repeats":1'
grep -q "$want" stats || {
  cat stats
  fail "stats"
}
echo '{"text":"1+1=2"}' >t.jsonl
"$OPENR1" init --out base --alphabet '0123456789+=' --special '<eos>' --model_config '{"model_type":
  "llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"num_key_value_heads":1,
  "intermediate_size":8,"rms_norm_eps":1e-5,"max_position_embeddings":8,"tie_word_embeddings":true}' 2>log
"$OPENR1" data stats t.jsonl --model base >stats 2>log || fail "stats of tokens"
grep -q '"tokens":{"total":6.0.*"tokens_with_loss":{"total":5.0' stats || { cat stats; fail tokens; }
