#!/bin/sh
# Greedy generation equals that of transformers on a real checkpoint: 20 prompts, 64 tokens each. Two may part
# ways: where the best two logits are equal to within rounding, either is right.
set -eu
model=${OPENR1_SMOLLM2:-$OPENR1_BUILD/models/SmolLM2-135M-Instruct.Q4_1.gguf}
golden="$OPENR1_SOURCE/tests/golden/infer/smollm2_greedy.jsonl"
[ -f "$model" ] || { echo "skipped: no $model"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Unknown fields are ignored, so the golden file is its own input.
"$OPENR1" generate --model "$model" --jsonl "$golden" --temperature 0 --max_new_tokens 64 \
  --out "$dir/out.jsonl"
ids() { sed 's/.*"ids": *\(\[[^]]*\]\).*/\1/; s/ //g' "$1"; }
ids "$golden" >"$dir/want"
ids "$dir/out.jsonl" >"$dir/got"
[ "$(wc -l <"$dir/got")" = 20 ] || { echo "expected 20 records"; exit 1; }
equal=$(paste -d'|' "$dir/want" "$dir/got" | awk -F'|' '$1 == $2 { n++ } END { print n + 0 }')
echo "$equal of 20 equal"
[ "$equal" -ge 18 ]
