#!/bin/sh
# A run leaves a page that shows it, in a browser: each reward's curve, what was sampled with the reasons for
# its rewards, where it comes from and every setting. Needs chromium.
set -u
browser=$(command -v chromium || command -v chromium-browser) || {
  echo "skipped: no chromium"
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
bad=0
say() { echo "FAILED: $*"; bad=1; }
"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' --random_weights float32 \
  --model_config '{"model_type": "llama", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
  "intermediate_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
  "tie_word_embeddings": true}' >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8; do echo "{\"prompt\":\"$i+1=\",\"solution\":\"$((i + 1))\"}"; done >sums.jsonl
"$OPENR1" grpo --model_name_or_path base --dataset_name sums.jsonl --output_dir run --max_steps 4 \
  --reward_funcs exact,format --prompts_per_step 2 --num_generations 4 --max_completion_length 5 \
  --logging_steps 2 --log_completions true --num_completions_to_print 0 >out 2>log || { cat log; exit 1; }
[ -s run/report.html ] || say "no report.html"
timeout 60 "$browser" --headless --no-sandbox --disable-gpu --dump-dom \
  "file://$tmp/run/report.html" >dom 2>log || {
  echo "skipped: the browser does not run here"
  exit 77
}
holds() { grep -q -e "$1" dom || say "the page does not show: $1"; }
holds '<h3>Reward: exact_reward</h3>'
holds '<h3>Reward: format_reward</h3>'
holds '<h2>Sampled while training</h2>'
holds '<option value="1">step 4</option>'
holds 'exact_reward 0: '
holds 'format_reward 0: does not begin with &lt;think&gt;'
holds '<td class="note">base, sums.jsonl</td>'
holds "<td class=\"hash\">$(sed 's/.*"weights":"\([0-9a-f]*\)".*/\1/' out)</td>"
holds '<summary>run: every setting</summary>'
holds '^reward_funcs:'
[ "$(grep -c '<canvas' dom)" -gt 0 ] || say "no curves"
! grep -q 'section id="table-section"' dom || say "an empty table is shown"
exit $bad
