#!/bin/sh
# `openr1 loss grpo` answers line for line, carries ids, and gives the witness's losses and gradients.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
golden=$OPENR1_SOURCE/tests/golden/grpo/policy.jsonl
"$OPENR1" loss grpo --jsonl "$golden" --out "$tmp/out.jsonl"
[ "$(wc -l <"$tmp/out.jsonl")" = "$(wc -l <"$golden")" ]
"$OPENR1" loss grpo --jsonl - <"$golden" | cmp - "$tmp/out.jsonl"

# on-policy, one token each, advantages +1 and -1: the loss is 0 and the gradient is -A/2 (dapo: two tokens)
line='{"id":"x","extra":1,"logps":[[-0.5],[-1.5]],"old_logps":null,"advantages":[1,-1]}'
out=$(printf '%s\n' "$line" | "$OPENR1" loss grpo --jsonl -)
case $out in
'{"id":"x","loss":0.0,"grad":[[-0.5],[0.5]],"advantages":[1.0,-1.0],"metrics":'*) ;;
*) echo "unexpected: $out"; exit 1 ;;
esac

# a bad record is answered in its place, the others still count
printf '{"id":1}\n%s\n' "$line" | "$OPENR1" loss grpo --jsonl - >"$tmp/two"
[ "$(wc -l <"$tmp/two")" = 2 ]
head -1 "$tmp/two" | grep -q '"id":1,"error":".*logps'
tail -1 "$tmp/two" | grep -q '"id":"x","loss"'
