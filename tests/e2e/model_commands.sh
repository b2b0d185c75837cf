# logits, grad, convert and inspect from outside: PyTorch values, equal bits by every way, messages, statuses.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
golden=$OPENR1_SOURCE/tests/golden
run() { "$OPENR1" "$@" >"$tmp/text" 2>&1 || say "$* : $(cat "$tmp/text")"; }
call() { "$@"; }
same() { cmp "$1" "$2" || say "$1 and $2 differ"; }

for folder in "$golden"/models/*; do
  name=${folder##*/}
  [ -e "$folder/ids.json" ] || continue # a configuration alone
  # there the loss of the golden file has a part for layers that predict further, which `grad` leaves out
  grep -q '"num_nextn_predict_layers": [1-9]' "$folder/config.json" && continue
  run logits --model "$folder" --ids "$folder/ids.json" --out "$tmp/l"
  run grad --model "$folder" --ids "$folder/ids.json" --out "$tmp/g"
  (cd "$OPENR1_SOURCE" && "$OPENR1_BUILD/tests/test_model_golden" "$name" "$tmp/l" "$tmp/g") || say "$name"
  run grad --model "$folder" --ids "$folder/ids.json" --out "$tmp/g1" --threads 1
  same "$tmp/g" "$tmp/g1"
done

# GGUF, the folder it is converted from and the folder it is converted to
for name in llama_linear qwen2_heads; do
  ids=$golden/models/$name/ids.json
  run convert --model "$golden/gguf/$name.gguf" --out "$tmp/hf"
  run convert --model "$tmp/hf/" --out "$tmp/hf2"
  same "$tmp/hf/model.safetensors" "$tmp/hf2/model.safetensors"
  same "$tmp/hf/config.json" "$tmp/hf2/config.json"
  run logits --model "$golden/models/$name" --ids "$ids" --out "$tmp/a"
  run logits --model "$golden/gguf/$name.gguf" --ids "$ids" --out "$tmp/b"
  run logits --model "$tmp/hf2" --ids "$ids" --out "$tmp/c"
  same "$tmp/a" "$tmp/b"
  same "$tmp/a" "$tmp/c"
  run logits --model "$golden/gguf/$name.gguf" --ids "$ids" --out "$tmp/d" --load_in_place true
  same "$tmp/a" "$tmp/d"
done

plain=$golden/models/llama_plain
echo '[1, 2, 3]' >"$tmp/one"
run logits --model "$plain" --ids "$tmp/one" --out "$tmp/l"
cp "$tmp/l" "$tmp/l.safetensors"
expect 0 '^  logits  F32  \[3,97\]$' "$OPENR1" inspect "$tmp/l.safetensors" --tensors true
expect 0 '^llama, 13992 parameters$' "$OPENR1" inspect "$plain"
expect 0 '^  blk.0.attn_q.weight  F32  \[16,16\]$' "$OPENR1" inspect "$golden/gguf/llama_linear.gguf"
expect 0 '^deepseek_v3, 682636487424 parameters, of which a token meets 37552297472$' \
  "$OPENR1" inspect "$golden/models/deepseek_r1/config.json" --tensors false
expect 0 '"active_parameters":9192[,}]' "$OPENR1" inspect "$golden/models/mixtral_plain" --json
expect 0 '^no weights here' "$OPENR1" inspect "$plain/config.json"
expect 0 '"parameters":13992[,}]' "$OPENR1" inspect "$plain/config.json" --json
expect 0 '"dtypes":{"F32":{"tensors":1,"bytes":1164}}' "$OPENR1" inspect "$tmp/l.safetensors" --json
expect 0 '^  to train all weights' "$OPENR1" inspect "$plain"
expect 1 'without weights' "$OPENR1" logits --model "$plain/config.json" --ids "$tmp/one" --out "$tmp/x"
for text in '[]' '[[]]' '{}' '[1.5]' '[-1]' '[97]' '[[1],2]' '[1,[2]]' '[' '"1"'; do
  echo "$text" >"$tmp/ids"
  expect 1 "$tmp/ids" "$OPENR1" logits --model "$plain" --ids "$tmp/ids" --out "$tmp/x"
done
echo '[[1], [2]]' >"$tmp/ids"
expect 1 'nothing to predict' "$OPENR1" grad --model "$plain" --ids "$tmp/ids" --out "$tmp/x"
expect 1 'no such file' "$OPENR1" inspect "$tmp/absent"
expect 1 'config.json' "$OPENR1" logits --model "$tmp" --ids "$tmp/one" --out "$tmp/x"
expect 1 'is no part of a saved model' "$OPENR1" convert --model "$plain" --out "$tmp"
expect 2 'is the model itself' "$OPENR1" convert --model "$tmp/hf" --out "$tmp/hf/" --dtype bfloat16
expect 2 'float32|bfloat16|float16' "$OPENR1" convert --model "$plain" --out "$tmp/y" --dtype int4
[ ! -e "$tmp/x" ] || say "a failed command has left an output"
exit $bad
