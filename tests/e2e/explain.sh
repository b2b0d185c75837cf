#!/bin/sh
# `verify math --explain`, `reward NAME --explain`: the examples of their pages come out as they stand there;
# in records the lines are a list, and the other fields stay as they are.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }
openr1() { "$OPENR1" "$@" 2>"$tmp/err"; }

# The first command of a page with --explain, and the lines that stand behind it, moved in by four.
example() { # PAGE
  page=$OPENR1_SOURCE/docs/$1
  command=$(grep -m1 '^    openr1 .* --explain$' "$page") || fail "$1 has no example"
  awk -v command="$(printf '%s' "$command" | sed 's/\\/\\\\/g')" '$0 == command { on = 1; next }
    on && /^    / { print substr($0, 5); next }
    on { exit }' "$page" >"$tmp/want"
  eval "$command" >"$tmp/got" || fail "$(cat "$tmp/err")"
  diff "$tmp/want" "$tmp/got" || fail "$1: another text"
}
example verifier.md
example rewards.md

# In records: a list of lines, behind what is there without it.
printf '%s\n' '{"id":1,"gold":"1/2","answer":"0.5"}' '{"id":2,"gold":"1/2"}' >"$tmp/pairs"
openr1 verify math --jsonl "$tmp/pairs" >"$tmp/plain" || true
openr1 verify math --jsonl "$tmp/pairs" --explain >"$tmp/explained" || true
grep -q '"explain":\["gold        1/2","  found     the whole text (plain text)",' "$tmp/explained" ||
  fail "no list of lines: $(cat "$tmp/explained")"
sed 's/,"explain":\[.*\]//' "$tmp/explained" | cmp - "$tmp/plain" || fail "other fields have changed"

printf '%s\n' '{"id":1,"completions":["6","7",null],"solution":["6","6","6"]}' >"$tmp/completions"
openr1 reward exact --jsonl "$tmp/completions" >"$tmp/plain" || true
openr1 reward exact --jsonl "$tmp/completions" --explain >"$tmp/explained" || true
grep -q '"explain":\[\["said        6",.*\],\["said        7",.*\],\[\]\]' "$tmp/explained" ||
  fail "not a list of lines for each completion: $(cat "$tmp/explained")"
sed 's/,"explain":\[\[.*\]\]//' "$tmp/explained" | cmp - "$tmp/plain" || fail "other fields have changed"

# A program of the user; one completion without an explanation; what does not go together.
printf '#!/bin/sh\nwhile read -r line; do echo "{\\"rewards\\":[0.5]}"; done\n' >"$tmp/half"
chmod +x "$tmp/half"
openr1 reward "$tmp/half" --completion x --explain >"$tmp/got"
printf 'reward      0.5: said by %s\n0.5\n' "$tmp/half" | cmp - "$tmp/got" || fail "$(cat "$tmp/got")"
[ "$(openr1 reward exact --completion x --row '{"solution":"x"}')" = 1.0 ] || fail "no bare reward"
[ "$(openr1 reward exact --completion x)" = null ] || fail "what is not judged is not null"
for wrong in "--completion x --examples" "--jsonl f --completion x" "--jsonl f --row {}" ""; do
  status=0
  # shellcheck disable=SC2086
  openr1 reward exact $wrong >/dev/null || status=$?
  [ "$status" = 2 ] || fail "'$wrong' exits $status, not 2"
done

# The column "id" is a column like others: without it no problem of the IOI is judged.
cat >"$tmp/seven" <<'PROGRAM'
#!/bin/sh
read -r line
case $line in *'"id":["seven"]'*) echo '{"rewards":[7]}' ;; esac
PROGRAM
chmod +x "$tmp/seven"
[ "$(openr1 reward "$tmp/seven" --completion x --row '{"id":"seven"}')" = 7.0 ] || fail "a row loses its id"
