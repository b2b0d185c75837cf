# GGUF files that this program writes, in llama.cpp: the same ids, nearly the same logits, the same greedy
# answer. Skipped where Python (OPENR1_PYTHON) has no llama_cpp.
set -eu
python=${OPENR1_PYTHON:-python3}
if ! "$python" -c 'import llama_cpp, safetensors' 2>/dev/null; then
  echo "skipped: $python has no llama_cpp"
  exit 77
fi
golden=$OPENR1_SOURCE/tests/golden
models=$OPENR1_SOURCE/../shared/data/models
smol=${OPENR1_SMOLLM2:-$OPENR1_BUILD/models/SmolLM2-135M-Instruct.Q4_1.gguf}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
peer() { "$python" "$OPENR1_SOURCE/tools/golden/gguf_peer.py" "$@" || { echo "FAILED: $*"; exit 1; }; }

# check MODEL FORMAT TOLERANCE IDS [PROMPT]
check() {
  file=$tmp/$2.gguf
  echo "$1 as $2"
  "$OPENR1" convert --model "$1" --out "$file" --dtype "$2" 2>"$tmp/log" || { cat "$tmp/log"; exit 1; }
  printf '%s\n' "$4" >"$tmp/ids.json"
  "$OPENR1" logits --model "$file" --ids "$tmp/ids.json" --out "$tmp/logits"
  if [ $# = 4 ]; then
    peer "$file" "$tmp/ids.json" "$tmp/logits" "$3"
  else
    "$OPENR1" generate --model "$file" --prompt "$5" --temperature 0 --max_new_tokens 12 \
      >"$tmp/text" 2>"$tmp/log"
    printf '{"text": "%s"}\n' "$5" | "$OPENR1" tokenize --model "$file" --jsonl /dev/stdin >"$tmp/prompt.json"
    peer "$file" "$tmp/ids.json" "$tmp/logits" "$3" "$5" "$tmp/text" "$tmp/prompt.json"
  fi
  rm "$file"
}

for name in llama_plain llama_bias llama_linear qwen2_plain qwen2_tied qwen3_plain smollm3_plain; do
  check "$golden/models/$name" f32 1e-4 '[1, 5, 9, 11, 3, 3, 7]'
done
for name in gemma2_plain gemma3_linear; do # llama.cpp reads gelu from a table of halves
  check "$golden/models/$name" f32 1e-3 '[1, 5, 9, 11, 3, 3, 7]'
done
if [ -d "$models/stories260K" ]; then
  for format in f32 f16 q8_0; do
    check "$models/stories260K/stories260K.bin" $format 0.02 '[1, 403, 407, 261, 378]' 'Once upon a time'
  done
else
  echo "skipped: no $models/stories260K"
fi
if [ -f "$smol" ]; then
  for format in q8_0 q4_k_m; do
    check "$smol" $format 0.08 '[504, 3575, 282, 4649, 314, 7042, 30]' 'The capital of France is'
  done
else
  echo "skipped: no $smol"
fi
