# `openr1 tokenize` and `openr1 template` from outside: forms, ids carried through, errors in their place, and
# a folder with nothing but the files of a tokenizer.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
expect() { # WANTED GOT
  [ "$1" = "$2" ] || { echo "expected: $1"; echo "got:      $2"; exit 1; }
}
golden=$OPENR1_SOURCE/tests/golden
mkdir "$tmp/model"
cp "$golden/tokenizers/small-llama3.json" "$tmp/model/tokenizer.json"
cp "$golden/chatml/chatml.jinja" "$tmp/model/chat_template.jinja"

printf '%s\n' '{"id":"a","text":"the answer","more":1}' '{"id":2,"text":null}' '{"id":3,"text":""}' >"$tmp/in"
"$OPENR1" tokenize --model "$tmp/model" --jsonl "$tmp/in" --out "$tmp/with"
"$OPENR1" tokenize --model "$tmp/model" --jsonl - --no-special <"$tmp/in" >"$tmp/without"
bos=$(sed -n 's/^{"id":3,"ids":\[\([0-9]*\)\]}$/\1/p' "$tmp/with")
[ -n "$bos" ]
expect '{"id":3,"ids":[]}' "$(sed -n 3p "$tmp/without")"
expect '{"id":2,"error":"\"text\" must be a string"}' "$(sed -n 2p "$tmp/with")"
expect "$(sed -n 1p "$tmp/with")" "$(sed -n 1p "$tmp/without" | sed "s/\\[/[$bos,/")"

sed 2d "$tmp/with" >"$tmp/ids"
expect '{"id":"a","text":"<s>the answer"}
{"id":3,"text":"<s>"}' "$("$OPENR1" tokenize --model "$tmp/model" --jsonl "$tmp/ids" --decode)"
expect '{"id":"a","text":"the answer"}
{"id":3,"text":""}' "$("$OPENR1" tokenize --model "$tmp/model" --jsonl "$tmp/ids" --decode --no-special)"
echo '{"id":1,"ids":[99999999]}' >"$tmp/bad"
expect '{"id":1,"error":"ids[0] is not the id of a token"}' \
  "$("$OPENR1" tokenize --model "$tmp/model" --jsonl "$tmp/bad" --decode)"

printf '%s\n' '{"id":1,"messages":[{"role":"user","content":"x"}],"add_generation_prompt":true}' \
  '{"id":2,"messages":[]}' >"$tmp/chat"
wanted='{"id":1,"text":"<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"}
{"id":2,"error":"\"messages\" must be a list with at least one message"}'
expect "$wanted" "$("$OPENR1" template --model "$tmp/model" --jsonl "$tmp/chat")"
expect "$wanted" "$("$OPENR1" template --template "$golden/chatml/chatml.jinja" --jsonl "$tmp/chat")"

# an element that is not known is named
sed 's/"type":"ByteLevel"/"type":"Bogus"/' "$tmp/model/tokenizer.json" >"$tmp/other"
mv "$tmp/other" "$tmp/model/tokenizer.json"
if text=$("$OPENR1" tokenize --model "$tmp/model" --jsonl "$tmp/in" 2>&1); then exit 1; fi
case $text in
*'"Bogus" is not supported; supported: Split, Digits, '*) ;;
*) echo "$text"; exit 1 ;;
esac
