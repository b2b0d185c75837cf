#!/bin/sh
# A base model that hardly ever reasons learns by GRPO to reason: accuracy and length of answers must rise.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$OPENR1" demo --recipe tiny-smoke --directory "$work" >"$work/story.txt" 2>"$work/log.txt" || {
  tail -20 "$work/log.txt"
  exit 1
}
run=$work/runs/tiny-smoke
value() { # STAGE KEY: a number of its greedy evaluation
  tr ',{}' '\n\n\n' <"$run/$1/eval-greedy/results.json" | sed -n "s/.*\"$2\": *\([0-9.e-]*\).*/\1/p" | head -1
}
base=$(value base pass@1) zero=$(value zero pass@1)
short=$(value base mean_length) long=$(value zero mean_length)
echo "greedy accuracy $base -> $zero, length $short -> $long"
awk "BEGIN { exit !($base <= 0.45 && $zero >= 0.90 && $long >= 4 * $short) }" || {
  echo "expected: base at most .45, R1-Zero at least .90, answers at least four times as long"
  cat "$work/story.txt"
  exit 1
}
grep -q '<div id="curves"' "$run/report.html" || { echo "no report"; exit 1; }
grep -q '"groups_with_variance":' "$run/report.html" || {
  echo "the report has no look before a first step"
  exit 1
}
grep -q 'final hash  [0-9a-f]\{64\}' "$work/story.txt" || { echo "no final hash"; exit 1; }
