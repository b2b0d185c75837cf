#!/bin/sh
# Speculative decoding from outside: whatever drafts, the same bytes; what was accepted is told; who cannot
# draft is told why.
. "$OPENR1_SOURCE/tests/e2e/share/expect.sh"
call() { "$OPENR1" generate --prompt x "$@"; }
make_model() { # NAME CONFIG ALPHABET SEED
  "$OPENR1" init --model_config "$2" --alphabet "$3" --random_weights float32 --seed "$4" --out "$tmp/$1" \
    2>"$tmp/text" || { cat "$tmp/text"; exit 1; }
}
letters='abcdefghijklmnopqrstuvwxyz .,?:+-*/=()0123456789
'
plain='"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 3,
  "intermediate_size": 40, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": false, "initializer_range": 0.25'
latent='"q_lora_rank": 12, "kv_lora_rank": 18, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5,
  "n_routed_experts": 8, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3, "moe_intermediate_size": 9,
  "first_k_dense_replace": 1, "num_nextn_predict_layers": 2'
make_model deep "{\"model_type\": \"deepseek_v3\", $plain, $latent}" "$letters" 1
make_model small "{\"model_type\": \"llama\", $plain}" "$letters" 2
make_model other "{\"model_type\": \"llama\", $plain}" "$letters;" 2

cat >"$tmp/in.jsonl" <<'END'
{"prompt": "the cat and the cat and the cat and the cat and "}
{"prompt": "a"}
{"prompt": "to be or not to be. to be or not to be."}
END
run() { # OUT ARGUMENTS...
  out=$1
  shift
  "$OPENR1" generate --model "$tmp/deep" --jsonl "$tmp/in.jsonl" --num_generations 3 --max_new_tokens 60 \
    --top_p 0.9 --temperature 0.4 --stop '[". "]' --out "$tmp/$out" "$@" 2>"$tmp/text" ||
    say "$*: $(cat "$tmp/text")"
}
run plain
grep -q accepted "$tmp/text" && say "nothing was drafted: $(cat "$tmp/text")"
same() {
  run drafted "$@"
  cmp "$tmp/plain" "$tmp/drafted" || say "$*: other completions"
  grep -q 'tokens a pass, .*% of drafts accepted' "$tmp/text" || say "$*: $(cat "$tmp/text")"
}
same --speculate lookup
same --speculate lookup --num_draft_tokens 3 --max_running 2 --max_rows 9 --threads 1
same --speculate mtp
same --speculate mtp --num_draft_tokens 1 --max_running 2 --max_rows 9 --threads 1
same --draft_model "$tmp/small"
same --speculate draft --draft_model "$tmp/deep" --num_draft_tokens 5
grep -q ' [19][0-9]*% of drafts' "$tmp/text" || say "a model's own drafts: $(cat "$tmp/text")"

for how in none lookup mtp; do
  "$OPENR1" eval --model "$tmp/deep" --tasks chain --limit 5 --num_samples 2 --max_new_tokens 30 \
    --speculate $how --out "$tmp/$how" >"$tmp/text" 2>&1 || say "eval --speculate $how: $(cat "$tmp/text")"
  cmp "$tmp/none/samples.jsonl" "$tmp/$how/samples.jsonl" || say "eval --speculate $how: other samples"
done

expect 2 'no modules that predict further' --model "$tmp/small" --speculate mtp
expect 2 'the model has 2' --model "$tmp/deep" --speculate mtp --num_draft_tokens 3
expect 1 'another vocabulary' --model "$tmp/small" --draft_model "$tmp/other"
expect 2 'none is given' --model "$tmp/small" --speculate draft
expect 2 'not for lookup' --model "$tmp/small" --speculate lookup --draft_model "$tmp/small"
expect 2 'speculate' --model "$tmp/small" --speculate guess
expect 1 'absent' --model "$tmp/small" --draft_model "$tmp/absent"
exit $bad
