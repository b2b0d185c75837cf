#!/bin/sh
# `openr1 generate` from outside, on a tiny model: records keep order and id, the same keys give the same
# draws whatever the limits, mistakes are told and cost their own record, and what an interruption leaves is
# gone on with, to the same bytes.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
run() { "$OPENR1" generate --model "$tmp/model" "$@" 2>"$tmp/text" || say "$* : $(cat "$tmp/text")"; }
call() { "$OPENR1" generate "$@"; }
golden=$OPENR1_SOURCE/tests/golden/models/llama_plain
# 97 tokens: <|end|>, <pad>, and 95 characters
upper='ABCDEFGHIJKLMNOPQRSTUVWXYZ' lower='abcdefghijklmnopqrstuvwxyz'
printable=' !"#$%&'"'"'()*+,-./0123456789:;<=>?@'"$upper"'[\]^_`'"$lower"'{|}~'
"$OPENR1" init --model_config "$golden/config.json" --alphabet "$printable" --special '<|end|>,<pad>' \
  --out "$tmp/model" || exit 1
cp "$golden/model.safetensors" "$golden/config.json" "$tmp/model/"

cat >"$tmp/in.jsonl" <<'END'
{"id": "first", "prompt": "What is it?", "other": 1}
{"prompt": "1 + 1 ="}

{"id": {"a": [1]}, "prompt": "What is it? And what is it not? And what else?"}
{"id": null, "prompt": "What is it?"}
END
sampled="--jsonl $tmp/in.jsonl --num_generations 3 --max_new_tokens 40 --top_p 0.95 --top_k 50 --seed 7"
# shellcheck disable=SC2086
{
  run $sampled --out "$tmp/a"
  run $sampled --out "$tmp/b" --max_running 1 --max_rows 3 --kv_memory 100K --threads 1
  run $sampled >"$tmp/c"
  run $sampled --seed 8 --out "$tmp/d"
}
cmp "$tmp/a" "$tmp/b" || say "limits change the output"
cmp "$tmp/a" "$tmp/c" || say "standard output differs from --out"
cmp -s "$tmp/a" "$tmp/d" && say "another seed changes nothing"
[ "$(wc -l <"$tmp/a")" = 4 ] || say "4 records expected"
heads=$(sed 's/,"completions".*//' "$tmp/a" | tr '\n' ' ')
[ "$heads" = '{"id":"first" {"id":1 {"id":{"a":[1]} {"id":null ' ] || say "ids: $heads"
[ "$(grep -o '"finish_reason"' "$tmp/a" | wc -l)" = 12 ] || say "12 completions expected"
shape='"text":".*","ids":\[.*\],"logprobs":\[-.*\],"finish_reason":"\(length\|stop\)"}'
grep -q "$shape" "$tmp/a" || say "not of the shape $shape"
one=$(sed -n 1p "$tmp/a" | sed 's/.*"completions"//') four=$(sed -n 4p "$tmp/a" | sed 's/.*"completions"//')
[ "$one" != "$four" ] || say "equal prompts at different places draw the same"

# a record's draws do not depend on the others, nor on what follows
head -n 1 "$tmp/in.jsonl" >"$tmp/one.jsonl"
# shellcheck disable=SC2086
run $sampled --jsonl "$tmp/one.jsonl" --out "$tmp/e"
[ "$(sed -n 1p "$tmp/a")" = "$(cat "$tmp/e")" ] || say "neighbours change a record"

# greedy, one prompt: on standard output as text, and the same in a record
run --prompt 'What is it?' --temperature 0 --max_new_tokens 20 >"$tmp/shown"
run --prompt 'What is it?' --temperature 0 --max_new_tokens 20 --out "$tmp/f"
grep -q '^{"id":0,"completions":\[{"text":' "$tmp/f" || say "record of --prompt"
[ "$(wc -l <"$tmp/shown")" = 1 ] || say "one line shown: $(cat "$tmp/shown")"
text=$(cut -c 3-4 "$tmp/shown")
run --prompt 'What is it?' --temperature 0 --max_new_tokens 20 --stop "[\"$text\"]" >"$tmp/cut"
case $(cat "$tmp/cut") in *"$text"*) say "the stop string is shown: $(cat "$tmp/cut")" ;; esac
[ "$(wc -c <"$tmp/cut")" -le 3 ] || say "the stop string does not stop: $(cat "$tmp/cut")"

expect 2 'either --jsonl FILE or --prompt' --model "$tmp/model"
expect 2 'either --jsonl FILE or --prompt' --model "$tmp/model" --prompt x --jsonl y
expect 2 'shows one completion' --model "$tmp/model" --prompt x --num_generations 2
expect 2 'temperature' --model "$tmp/model" --prompt x --temperature -1
expect 2 'kv_memory is "lots"' --model "$tmp/model" --prompt x --kv_memory lots
expect 1 'give it at least' --model "$tmp/model" --prompt x --kv_memory 1K
expect 1 'no tokenizer' --model "$golden" --prompt x
expect 1 'absent' --model "$tmp/absent" --prompt x
expect 1 'absent' --model "$tmp/model" --jsonl "$tmp/absent"
# A bad record is named with its line, keeps its place, and costs the others nothing.
{
  sed -n 1p "$tmp/in.jsonl"
  printf '%s\n' '{"prompt": 5, "id": "five"}' '{"prompt": "x' '[1]'
} >"$tmp/wrong"
# shellcheck disable=SC2086
expect 1 '3 of 4 records could not be used' --model "$tmp/model" $sampled --jsonl "$tmp/wrong" \
  --out "$tmp/some"
for line in 2 3 4; do
  printf '%s\n' "$text" | grep -q "wrong:$line: " || say "line $line is not named: $text"
done
[ "$(sed -n 1p "$tmp/some")" = "$(sed -n 1p "$tmp/a")" ] || say "a bad record changes another"
heads=$(sed 's/,"\(completions\|error\)".*/ \1/' "$tmp/some" | tr '\n' ' ')
[ "$heads" = '{"id":"first" completions {"id":"five" error {"id":2 error {"id":3 error ' ] ||
  say "errors: $heads"
# shellcheck disable=SC2086
"$OPENR1" generate --model "$tmp/model" $sampled --jsonl - <"$tmp/in.jsonl" >"$tmp/h" 2>/dev/null
cmp "$tmp/a" "$tmp/h" || say "standard input differs from a file"

# Stopped and started again, however often: the same bytes; a partial file of other keys is not taken up.
awk 'BEGIN { for (i = 0; i < 400; i++)
  printf "{\"id\": %d, \"prompt\": \"%d + %d = \"}\n", i, i, i * 7 % 10 }' >"$tmp/many.jsonl"
many="--jsonl $tmp/many.jsonl --num_generations 2 --max_new_tokens 60 --max_running 4"
whole="$many --model $tmp/model"
# shellcheck disable=SC2086
{
  "$OPENR1" generate $whole --out "$tmp/whole" 2>"$tmp/text" || say "$(cat "$tmp/text")"
  for signal in INT TERM KILL; do
    "$OPENR1" generate $whole --out "$tmp/parts" 2>"$tmp/text" &
    pid=$!
    tries=0
    before=$(cat "$tmp/parts.partial" 2>/dev/null | wc -l)
    until [ "$(cat "$tmp/parts.partial" 2>/dev/null | wc -l)" -ge $((before + 4)) ] || [ $tries = 500 ]; do
      sleep 0.01
      tries=$((tries + 1))
    done
    kill -$signal $pid 2>/dev/null
    wait $pid
    status=$?
    case $signal$status in INT130 | TERM75 | KILL137 | INT0 | TERM0 | KILL0) ;;
    *) say "status $status after SIG$signal: $(cat "$tmp/text")" ;; esac
  done
  kept=$(cat "$tmp/parts.partial" 2>/dev/null | wc -l)
  [ ! -e "$tmp/parts" ] || say "400 records were done before three signals came"
  [ "$kept" -gt 4 ] || say "nothing was kept: $kept lines"
  printf '{"id":59,"compl' >>"$tmp/parts.partial"
  "$OPENR1" generate $whole --out "$tmp/parts" --threads 1 2>"$tmp/text" || say "$(cat "$tmp/text")"
  grep -q "parts.partial holds $((kept - 1)) records of this; they are kept" "$tmp/text" ||
    say "$(cat "$tmp/text")"
  cmp "$tmp/whole" "$tmp/parts" || say "going on gives other bytes"
  [ ! -e "$tmp/parts.partial" ] || say "the partial file stays"
  { echo '{"key":"of another"}'; echo '{"id":0,"completions":[]}'; } >"$tmp/parts.partial"
  "$OPENR1" generate $whole --out "$tmp/parts" 2>"$tmp/text" || say "$(cat "$tmp/text")"
  grep -q 'is of another command or other inputs; it is begun anew' "$tmp/text" || say "$(cat "$tmp/text")"
  cmp "$tmp/whole" "$tmp/parts" || say "another command's lines were taken up"
}
# Of an adapter the base decides too: when that has changed, nothing is gone on with.
echo '{"text": "1 + 1 = 2"}' >"$tmp/train.jsonl"
"$OPENR1" sft --model_name_or_path "$tmp/model" --use_peft true --dataset_name "$tmp/train.jsonl" \
  --output_dir "$tmp/lora" --max_steps 1 >/dev/null 2>"$tmp/text" || say "sft: $(cat "$tmp/text")"
adapted="$many --model $tmp/lora/model"
# shellcheck disable=SC2086
"$OPENR1" generate $adapted --out "$tmp/adapted" 2>"$tmp/text" &
pid=$! tries=0
until [ "$(cat "$tmp/adapted.partial" 2>/dev/null | wc -l)" -ge 3 ] || [ $tries = 500 ]; do
  sleep 0.01
  tries=$((tries + 1))
done
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
cp "$tmp/adapted.partial" "$tmp/kept" || say "400 records were done before the signal came"
# shellcheck disable=SC2086
"$OPENR1" generate $adapted --out "$tmp/adapted" 2>"$tmp/text" || say "$(cat "$tmp/text")"
grep -q 'records of this; they are kept' "$tmp/text" || say "begun anew: $(cat "$tmp/text")"
mv "$tmp/kept" "$tmp/adapted.partial"
sed -i 's/"rms_norm_eps": *[^,]*/"rms_norm_eps": 0.01/' "$tmp/model/config.json"
# shellcheck disable=SC2086
"$OPENR1" generate $adapted --out "$tmp/adapted" 2>"$tmp/text" || say "$(cat "$tmp/text")"
grep -q 'is of another command or other inputs; it is begun anew' "$tmp/text" ||
  say "another base, and the old lines are kept: $(cat "$tmp/text")"
: >"$tmp/empty"
run --jsonl "$tmp/empty" --out "$tmp/g"
[ -f "$tmp/g" ] && [ ! -s "$tmp/g" ] || say "no records in, no records out"
exit $bad
