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
cases=0

# check MODEL FORMAT TOLERANCE IDS [PROMPT]: a folder for gguf_peer.py
check() {
  cases=$((cases + 1))
  case=$tmp/cases/$(printf %02d $cases)
  mkdir -p "$case"
  echo "$(basename "$1") as $2" >"$case/name"
  echo "$3" >"$case/tolerance"
  echo "$4" >"$case/ids.json"
  file=$case/model.gguf
  "$OPENR1" convert --model "$1" --out "$file" --dtype "$2" 2>"$tmp/log" || { cat "$tmp/log"; exit 1; }
  "$OPENR1" logits --model "$file" --ids "$case/ids.json" --out "$case/logits"
  [ $# = 4 ] && return
  printf '{"prompt": "%s", "text": "%s"}\n' "$5" "$5" >"$case/prompt.json"
  "$OPENR1" generate --model "$file" --jsonl "$case/prompt.json" --temperature 0 --max_new_tokens 12 \
    >"$case/answer.json" 2>"$tmp/log"
  "$OPENR1" tokenize --model "$file" --jsonl "$case/prompt.json" >"$case/tokens.json"
}

# Longer than every window.
ids='[1, 5, 9, 11, 3, 3, 7, 22, 17, 8, 30, 2, 14, 26, 6, 19, 28, 4, 12, 23, 10, 1, 16, 29, 13, 25, 20,
  15, 27, 21, 18, 24, 9, 30, 5, 7, 2, 11, 28, 3, 17, 26, 8, 14]'
for name in llama_plain llama_bias llama_linear llama_tied mistral_wide qwen2_plain qwen2_tied qwen2_yarn \
  qwen3_plain smollm3_plain mixtral_plain mixtral_all qwen3_moe_plain deepseek_v3_plain \
  deepseek_v3_further; do
  check "$golden/models/$name" f32 1e-4 "$ids"
done
check "$golden/models/llama_yarn" f32 1e-4 '[1, 5, 9, 11, 3, 3, 7, 22, 17, 8, 2, 14, 26, 6, 19]'
for name in gemma2_plain gemma3_linear; do # llama.cpp reads gelu from a table of halves
  check "$golden/models/$name" f32 1e-3 "$ids"
done

# Wide enough for blocks of 256.
"$python" -P "$OPENR1_SOURCE/tools/golden/gguf_wide.py" "$tmp/wide" 2>"$tmp/log" ||
  { cat "$tmp/log"; exit 1; }
for name in mixtral qwen3_moe deepseek_v3 deepseek_v2 gemma3; do
  check "$tmp/wide/$name" f32 1e-3 "$ids" 'Once upon a time'
  # 27 layers of rounded activations wander too far to say anything
  [ $name = deepseek_v2 ] || check "$tmp/wide/$name" q4_k_m 0.1 "$ids"
done
for name in mixtral deepseek_v3; do
  check "$tmp/wide/$name" bf16 0.02 "$ids"
  check "$tmp/wide/$name" q8_0 0.04 "$ids"
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
"$python" "$OPENR1_SOURCE/tools/golden/gguf_peer.py" "$tmp/cases"
