# A real model through the program: SmolLM2-135M from GGUF gives transformers' logits; its weights left in the
# file, and the Hugging Face folder converted from it, give the same bits. Skipped without the model, which
# tools/smollm2 fetches.
set -eu
model=${OPENR1_SMOLLM2:-$OPENR1_BUILD/models/SmolLM2-135M-Instruct.Q4_1.gguf}
if [ ! -f "$model" ]; then
  echo "skipped: no $model"
  exit 77
fi
ids=$OPENR1_SOURCE/tests/golden/smollm2/ids.json
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$OPENR1" logits --model "$model" --ids "$ids" --out "$tmp/gguf.safetensors"
"$OPENR1_BUILD/tests/test_smollm2" "$tmp/gguf.safetensors"
"$OPENR1" convert --model "$model" --out "$tmp/folder" --dtype float32
echo '[504, 3575, 282, 4649, 314]' >"$tmp/few.json"
"$OPENR1" logits --model "$model" --ids "$tmp/few.json" --out "$tmp/a"
"$OPENR1" logits --model "$tmp/folder" --ids "$tmp/few.json" --out "$tmp/b" --threads 1
cmp "$tmp/a" "$tmp/b"
"$OPENR1" logits --model "$model" --ids "$tmp/few.json" --out "$tmp/c" --load_in_place true
cmp "$tmp/a" "$tmp/c"
"$OPENR1" inspect "$model" --tensors false | grep -q '^llama, 134515008 parameters$'
