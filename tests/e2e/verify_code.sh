#!/bin/sh
# `verify code` and the rewards that run code, from outside: fixed forms, order, errors, an interruption.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$1"; exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }

echo '{"id":0,"code":"print(1)","tests":[{"input":"","output":"1"}]}' >"$tmp/one"
"$OPENR1" verify code --jsonl "$tmp/one" >"$tmp/out" 2>"$tmp/err" || {
  grep -q 'sandbox' "$tmp/err" || fail "$(cat "$tmp/err")"
  grep -q 'rlimit' "$tmp/err" || fail "refused without telling the way out: $(cat "$tmp/err")"
  echo "skipped: $(head -1 "$tmp/err")"
  exit 77
}
grep -q '^{"id":0,"passed":1,"total":1,"results":\[{"verdict":"passed","time":' "$tmp/out"

# Many records, answers in their order, whatever each of them comes to.
line() { printf '%s\n' "$*"; }
{
  for i in $(seq 12); do
    line '{"id":'"$i"',"language":"bash","code":"read x; echo $((x + '"$i"'))",' \
      '"tests":[{"input":"1","output":"'"$((i + 1))"'"}]}'
  done
  line '{"id":"slow","code":"while 1: pass","time_limit":0.2,"tests":[{"input":"","output":""}]}'
  line '{"id":"odd","language":"befunge","code":"","tests":[]}'
  line '{"id":"line","code":"print(1)\nprint(\"b\")","tests":[{"input":"","output":"1\n2\n"}]}'
  line '{"task_id":"T/1","prompt":"def f(x):\n    \"\"\"one more\"\"\"\n","entry_point":"f",' \
    '"test":"def check(c):\n    assert c(1) == 2\n","completion":"    return x + 1\n"}'
  line '{"task_id":11,"text":"","test_list":["assert g(2) == 4","assert g(3) == 7"],"test_setup_code":"",' \
    '"completion":"```python\ndef g(x): return 2 * x\n```"}'
} >"$tmp/many"
status=0
"$OPENR1" verify code --jsonl "$tmp/many" --threads 3 --out "$tmp/many.out" 2>"$tmp/err" || status=$?
expect "one record of an unknown language" "$status" 1
grep -q '1 of 17 records could not be answered' "$tmp/err" || fail "$(cat "$tmp/err")"
expect "records" "$(wc -l <"$tmp/many.out")" 17
for i in $(seq 12); do
  answer=$(sed -n "${i}p" "$tmp/many.out")
  case $answer in '{"id":'"$i"',"passed":1,"total":1,'*) ;; *) fail "$answer" ;; esac
done
sed -n 13p "$tmp/many.out" | grep -q '"id":"slow","passed":0,"total":1,"results":\[{"verdict":"time_limit"'
sed -n 14p "$tmp/many.out" | grep -q '^{"id":"odd","error":"line 14: code in ."befunge." cannot be run; '
sed -n 15p "$tmp/many.out" | grep -q '"line":2,"expected":"2","got":"b"'
sed -n 16p "$tmp/many.out" | grep -q '"id":"T/1","passed":1,"total":1' || fail "$(sed -n 16p "$tmp/many.out")"
sed -n 17p "$tmp/many.out" | grep -q '"id":11,"passed":1,"total":2' || fail "$(sed -n 17p "$tmp/many.out")"

# The weaker way must be named, and says what it is in help.
"$OPENR1" verify code --jsonl "$tmp/one" --sandbox rlimit | grep -q '"passed":1'
"$OPENR1" verify code --help | grep -q 'code that you'

# Where the box cannot be built nothing is run, and the message says what to do.
status=0
PATH=$tmp "$OPENR1" verify code --jsonl "$tmp/one" >"$tmp/out" 2>"$tmp/err" || status=$?
expect "no bubblewrap" "$status" 1
grep -q "apt-get install bubblewrap" "$tmp/err" || fail "$(cat "$tmp/err")"
grep -q "sandbox .rlimit." "$tmp/err" || fail "$(cat "$tmp/err")"
[ ! -s "$tmp/out" ] || fail "something ran: $(cat "$tmp/out")"

# A reward through the command line.
printf '%s\n' '{"completions":["```python\nprint(int(input())+1)\n```","none"],"verification_info":[
  {"language":"python","test_cases":[{"input":"1","output":"2"}]},
  {"language":"python","test_cases":[{"input":"1","output":"2"}]}]}' | tr -d '\n' >"$tmp/r"
expect "code reward" "$("$OPENR1" reward code --jsonl "$tmp/r")" '{"id":null,"rewards":[1.0,0.0]}'

# An interruption ends what runs, at once; timeout sends the signal twice.
printf '%s\n' '{"code":"import time\ntime.sleep(55.125)","time_limit":60,"tests":[{"input":"",' \
  '"output":""}]}' | tr -d '\n' >"$tmp/sleeper"
status=0
timeout -s INT 3 "$OPENR1" verify code --jsonl "$tmp/sleeper" >"$tmp/out" 2>"$tmp/err" || status=$?
[ "$status" = 124 ] || [ "$status" = 130 ] || fail "interrupted: status $status, $(cat "$tmp/err")"
grep -q 'interrupted' "$tmp/err" || fail "$(cat "$tmp/err")"
