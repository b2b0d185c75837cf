# Folders that this program writes are read by transformers' AutoTokenizer with the same ids, and tokenizers
# drawn at random give the same ids here and there. Skipped where Python (OPENR1_PYTHON) has no transformers.
set -eu
python=${OPENR1_PYTHON:-python3}
"$python" -c 'import transformers' 2>/dev/null || { echo "skipped: $python has no transformers"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/saved"
export OPENR1_KEEP="$tmp/saved"
for name in test_tokenizers_golden test_tokenizer_random; do
  (cd "$OPENR1_SOURCE" && "$OPENR1_BUILD/tests/$name") >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
done

config='{"model_type":"llama","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,
  "intermediate_size":32}'
"$OPENR1" init --model_config "$config" --alphabet '0123456789+-=() abc中é' --added '<think>,</think>' \
  --chat_template '{{ messages }}' --out "$tmp/init"
for text in '' '1+2=3' '<think>(a) 中é</think>b<|end|>' '<|end|><|end|>c'; do
  printf '{"id":"%s","text":"%s"}\n' "$text" "$text"
done >"$tmp/texts"
"$OPENR1" tokenize --model "$tmp/init" --jsonl "$tmp/texts" --out "$tmp/ids"
"$python" "$OPENR1_SOURCE/tools/golden/tokenizer_saved.py" "$tmp/saved" "$tmp/init" "$tmp/ids"
# Numbers that the committed file does not have.
"$python" "$OPENR1_SOURCE/tools/golden/tokenizer_peer.py" random 0 4 2>/dev/null
