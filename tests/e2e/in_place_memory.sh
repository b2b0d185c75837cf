# A model larger than the memory that the program may have is run from its file: with 64 MB of its own,
# float32 weights of 109 MB cannot be loaded; left in place they give the same completion, and are converted.
set -u
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
say() { echo "FAILED: $*"; bad=1; }
config='{"model_type":"llama","hidden_size":512,"num_hidden_layers":8,"num_attention_heads":8,
  "intermediate_size":1536,"max_position_embeddings":128}'
limited() { (
  ulimit -d 65536
  "$@"
); }

limited "$OPENR1" init --model_config "$config" --alphabet 'abcdefghijklmnopqrstuvwxyz ' \
  --random_weights bfloat16 --out "$tmp/model" 2>"$tmp/err" || say "init: $(cat "$tmp/err")"
generate() {
  "$@" generate --model "$tmp/model" --prompt "once upon a time" --temperature 0 --max_new_tokens 6 \
    --threads 1 --load_in_place "$mode"
}
mode=false
generate "$OPENR1" >"$tmp/whole" 2>"$tmp/err" || say "generate: $(cat "$tmp/err")"
generate limited "$OPENR1" >"$tmp/none" 2>"$tmp/err" && say "float32 fits, so this test shows nothing"
mode=true
generate limited "$OPENR1" >"$tmp/place" 2>"$tmp/err" || say "in place: $(cat "$tmp/err")"
cmp "$tmp/whole" "$tmp/place" || say "in place the completion is another"
limited "$OPENR1" convert --model "$tmp/model" --out "$tmp/copy" --threads 1 2>"$tmp/err" ||
  say "convert: $(cat "$tmp/err")"
cmp "$tmp/model/model.safetensors" "$tmp/copy/model.safetensors" || say "auto changes the numbers"
exit $bad
