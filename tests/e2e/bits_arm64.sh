# The Bits promise across CPUs: the program built for AArch64 and run by qemu-aarch64 writes the same bytes as
# the one that was built here: losses, logits, gradients, samples, and a training run from its first weights
# to its last with the log of every step. Skipped where there is no cross compiler, emulator or arm64 library.
#
# To add a comparison, add a line `same NAME ARGUMENTS...`: both programs run it, each in a folder of its own,
# and their standard outputs are compared; `files PATH...` after it compares what they wrote there.
set -u
skip() { echo "skipped: $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "this machine is not x86-64"
command -v aarch64-linux-gnu-gcc >/dev/null || skip "no aarch64-linux-gnu-gcc"
command -v qemu-aarch64 >/dev/null || skip "no qemu-aarch64"
find_libraries='/^pkg_check_modules(DEPS/,/)/{s/.*IMPORTED_TARGET//;s/)//;p}'
libraries=$(sed -n "$find_libraries" "$OPENR1_SOURCE/CMakeLists.txt" | tr '\n' ' ')
# shellcheck disable=SC2086
PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config --exists ${libraries:?} ||
  skip "not all of these are installed for arm64: $libraries"
ls /usr/lib/aarch64-linux-gnu/libflint.so* /usr/lib/aarch64-linux-gnu/libflint-arb.so* >/dev/null 2>&1 ||
  skip "FLINT and Arb are not installed for arm64"
build=$OPENR1_BUILD/arm64
# Without optimisation beyond -O1: it builds faster, and must not change a bit.
cmake -S "$OPENR1_SOURCE" -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$OPENR1_SOURCE/cmake/aarch64.cmake" \
  -DOPENR1_TESTS=OFF -DCMAKE_C_FLAGS_RELEASE=-O1 >"$build.log" 2>&1 ||
  { cat "$build.log"; exit 1; }
cmake --build "$build" --target openr1 >"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }
file "$build/openr1" 2>/dev/null | grep -q x86 && { echo "FAILED: the cross build is not one"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" "$work/there"
bad=0
checks=0
say() { echo "FAILED: $*"; bad=1; }
same() { # NAME ARGUMENTS...
  name=$1
  shift
  (cd "$work/here" && "$OPENR1" "$@") >"$work/here.out" 2>"$work/here.err"
  here=$?
  (cd "$work/there" && qemu-aarch64 "$build/openr1" "$@") >"$work/there.out" 2>"$work/there.err"
  there=$?
  checks=$((checks + 1))
  [ $here = 0 ] || { say "$name exits $here here: $(cat "$work/here.err")"; return; }
  [ $there = 0 ] || { say "$name exits $there there: $(cat "$work/there.err")"; return; }
  cmp -s "$work/here.out" "$work/there.out" && return
  say "$name differs between this CPU and AArch64"
  diff "$work/here.out" "$work/there.out" | head -6 | cut -c1-300
}
files() { # PATH...: as the command before left them
  for path in "$@"; do
    checks=$((checks + 1))
    [ -s "$work/here/$path" ] || { say "$name: no $path"; continue; }
    cmp "$work/here/$path" "$work/there/$path" || say "$name: $path differs between this CPU and AArch64"
  done
}

golden=$OPENR1_SOURCE/tests/golden
same "loss grpo" loss grpo --jsonl "$golden/grpo/policy.jsonl" --threads 2
for model in "$golden"/models/*; do
  [ -e "$model/model.safetensors" ] || continue # a configuration alone
  same "grad of ${model##*/}" grad --model "$model" --ids "$model/ids.json" --out grad.safetensors
  files grad.safetensors
done
stories=$OPENR1_SOURCE/../shared/data/models/stories260K/stories260K.bin
if [ -f "$stories" ]; then
  echo '[1, 403, 407, 261, 378]' >"$work/ids.json"
  same "logits of stories260K" logits --model "$stories" --ids "$work/ids.json" --out logits.safetensors
  files logits.safetensors
fi
cat >"$work/pairs.jsonl" <<'END'
{"id":1,"gold":"$\\frac{1}{3}$","answer":"so it is \\boxed{\\frac{2}{6}}"}
{"id":2,"gold":"$\\sqrt{2}+1$","answer":"$1+\\sqrt 2$"}
{"id":3,"gold":"$(1, 2)$","answer":"$\\{2, 1\\}$"}
{"id":4,"gold":"0.3333","answer":"$1/3$"}
END
same "verify math" verify math --jsonl "$work/pairs.jsonl"
small=$work/small
mkdir "$small"
cp "$golden/tokenizers/small-llama3.json" "$small/tokenizer.json"
cp "$golden/chatml/chatml.jinja" "$small/chat_template.jinja"
echo '{"text":"Größe: 12.5 km², naïve façade — 東京\u200b!","messages":[{"role":"user","content":"1 + 1?"}]}' \
  >"$work/text.jsonl"
same "tokenize" tokenize --model "$small" --jsonl "$work/text.jsonl"
same "template" template --model "$small" --jsonl "$work/text.jsonl"

# The shortest recipe, cut down: a model made, trained on worked problems, then by GRPO on what it samples.
recipe=$OPENR1_SOURCE/recipes/tiny-smoke
few="--per_device_train_batch_size 8 --logging_steps 1 --save_strategy no"
same init init --config "$recipe/init.yaml"
same "data make" data make --config "$recipe/data.yaml" --count 64 --out data.jsonl
files data.jsonl
# shellcheck disable=SC2086
same sft sft --config "$recipe/base-skill.yaml" --dataset_name data.jsonl --output_dir sft --max_steps 3 \
  --warmup_steps 1 $few
files sft/metrics.jsonl sft/model/model.safetensors sft/config.yaml
# shellcheck disable=SC2086
same grpo grpo --config "$recipe/r1-zero.yaml" --model_name_or_path sft/model --dataset_name data.jsonl \
  --output_dir grpo --max_steps 2 --beta 0.02 --max_completion_length 12 --log_completions true $few
files grpo/metrics.jsonl grpo/model/model.safetensors grpo/completions/completions_00001.jsonl
same generate generate --model grpo/model --jsonl data.jsonl --num_generations 2 --top_p 0.9 --top_k 12 \
  --max_new_tokens 4
same eval eval --model grpo/model --tasks chain --limit 8 --num_samples 2 --temperature 1 --max_new_tokens 4 \
  --out eval
files eval/results.json eval/samples.jsonl
echo "$checks comparisons"
exit $bad
