#!/bin/sh
# Records of `verify math` and `reward`: ids as they are written, one bad record costs only itself, what comes
# through a pipe is answered at once.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }

cat >"$tmp/in" <<'END'
{"id": 12345678901234567890123, "gold": "1", "answer": "1"}
{"id": 1.0, "gold": "1", "answer": "1"}
{"id": 1e400, "gold": "1", "answer": "1"}
{"gold": "x\"id\":5", "id" : -7.10 , "answer": "2"}
{"id": "cut", "gold": "1",
{"id": "a\u00e9", "gold": 1}
[1]
nonsense

{"gold": "1", "answer": "1"}
{"id": {"a": [1, 2]}, "gold": null, "answer": "1"}
END
status=0
"$OPENR1" verify math --jsonl "$tmp/in" --out "$tmp/out" 2>"$tmp/err" || status=$?
[ "$status" = 1 ] || fail "status $status, 1 was expected"
grep -q '6 of 10 records could not be answered' "$tmp/err" || fail "$(cat "$tmp/err")"
cut -d: -f1-3 "$tmp/out" >"$tmp/got"
cat >"$tmp/want" <<'END'
{"id":12345678901234567890123,"correct":true,"gold_parsed"
{"id":1.0,"correct":true,"gold_parsed"
{"id":1e400,"error":"line 3
{"id":-7.10,"correct":false,"gold_parsed"
{"id":"cut","error":"line 5
{"id":"aé","error":"line 6
{"id":null,"error":"line 7
{"id":null,"error":"line 8
{"id":null,"correct":true,"gold_parsed"
{"id":{"a":[1,2]},"error"
END
cmp -s "$tmp/want" "$tmp/got" || fail "$(diff "$tmp/want" "$tmp/got")"

# A completion that is no text is not judged; the others of its group are.
status=0
printf '%s\n' '{"id":1,"completions":["\\boxed{1}",null,"\\boxed{2}"],"solution":["1","1","1"]}' |
  "$OPENR1" reward accuracy --jsonl - >"$tmp/out" 2>"$tmp/err" || status=$?
[ "$status" = 1 ] || fail "reward: status $status, 1 was expected"
grep -q '^{"id":1,"rewards":\[1.0,null,0.0\],"error":"completion 1 is neither' "$tmp/out" ||
  fail "$(cat "$tmp/out")"
printf '%s\n' '{"id":1,"completions":["aaaa",null,"aa"],"solution":["$1$","$1$","$1$"]}' |
  "$OPENR1" reward length --jsonl - >"$tmp/out" 2>"$tmp/err" || status=$?
grep -q '"rewards":\[-*[0-9.]*,null,-*[0-9.]*\]' "$tmp/out" || fail "$(cat "$tmp/out")"

# A pipe that stays open: the first record is answered before the second is sent.
mkfifo "$tmp/to"
"$OPENR1" verify math --jsonl - <"$tmp/to" >"$tmp/out" &
exec 3>"$tmp/to"
for i in 1 2 3; do
  echo '{"id":'$i',"gold":"1","answer":"1"}' >&3
  tries=0
  while [ "$(wc -l <"$tmp/out")" -lt $i ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "record $i was not answered while the pipe was open"
    sleep 0.1
  done
done
exec 3>&-
wait

# A NUL in a completion hides nothing that stands behind it; half of a surrogate pair is a foreign character.
cat >"$tmp/nul" <<'EOF'
{"id": 1, "gold": "12", "answer": "\u0000\\boxed{12}"}
{"id": 2, "gold": "12", "answer": "\\boxed{12}\u0000\\boxed{13}"}
{"id": 3, "gold": "12", "answer": "\ud800\\boxed{12}"}
EOF
"$OPENR1" verify math --jsonl "$tmp/nul" --out "$tmp/out" 2>"$tmp/err" ||
    fail "half of a pair: $(cat "$tmp/err")"
cut -d, -f1-2 "$tmp/out" | cut -c1-24 >"$tmp/got"
printf '%s\n' '{"id":1,"correct":true' '{"id":2,"correct":false' '{"id":3,"correct":true' >"$tmp/want"
cmp -s "$tmp/want" "$tmp/got" || fail "$(diff "$tmp/want" "$tmp/got")"
printf '%s\n' '{"id":1,"completions":["\u0000\\boxed{12}"],"solution":["12"]}' |
    "$OPENR1" reward accuracy --jsonl - | grep -q '"rewards":\[1.0\]' || fail "a NUL hid a box"
