# A folder that `init` makes is the same model to transformers: ids of texts, texts of ids, logits; for one
# shape of every architecture. Skipped where Python (OPENR1_PYTHON) has no transformers.
set -eu
python=${OPENR1_PYTHON:-python3}
"$python" -c 'import torch, transformers' 2>/dev/null || {
  echo "skipped: $python has no transformers"
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$OPENR1_SOURCE"
echo '[[3, 4, 5, 17, 0, 9], [12]]' >"$tmp/ids.json"
for text in '1 + 2 = 3' '<think> a é\n</think>中b <|end|>' '  - ' 'é中é'; do
  printf '{"id":"%s","text":"%s"}\n' "$text" "$text"
done >"$tmp/texts.jsonl"
names=$(sed -n 's/^ARCH(\(.*\))$/\1/p' src/model/model_list.h)
for name in $names; do
  config=$(ls -d tests/golden/models/"$name"_*/config.json | head -1)
  "$python" -c 'import json, sys
config = json.load(open(sys.argv[1]))
del config["vocab_size"]
print(json.dumps(config))' "$config" >"$tmp/$name.json"
  "$OPENR1" init --model_config "$tmp/$name.json" --alphabet "$(printf '0123456789+-=() \nabc中é')" \
    --added '<think>,</think>' --random_weights float32 --out "$tmp/$name" 2>"$tmp/err" ||
    { cat "$tmp/err"; exit 1; }
  "$OPENR1" tokenize --model "$tmp/$name" --jsonl "$tmp/texts.jsonl" --out "$tmp/$name.ids.jsonl"
  "$OPENR1" logits --model "$tmp/$name" --ids "$tmp/ids.json" --out "$tmp/$name.safetensors" 2>"$tmp/err"
done
# shellcheck disable=SC2086
"$python" tools/golden/init_peer.py "$tmp" $names
