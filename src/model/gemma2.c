/* gemma2.c: Gemma 2 as Hugging Face's Gemma2ForCausalLM has it.
 *
 * The embedding is multiplied by sqrt(hidden_size). Per layer: x = x + norm(O Attn(norm(x))); x = x +
 * norm(Down (gelu(Gate h) * Up h)), h = norm(x): a norm before and one after each part, all stored less 1.
 * Scores are divided by sqrt(query_pre_attn_scalar) and capped, the logits capped too. Every other layer, the
 * first among them, sees a window. GGUF has the norms with the 1 added. (Gemma team 2024, "Gemma 2: improving
 * open language models at a practical size".)
 */
#include "model/arch_rows.h"

static const struct arch_key gemma2_keys[] = {
    KEYS_SIZES(4, 256),
    KEYS_COMMON(8192, 10000, true),
    KEY_WINDOW(GGUF_WINDOW, 4096),
    {"sliding_window_pattern", NULL, KEY_INT, AT(full_every), 2, 2, 2}, /* in no config.json: a constant */
    {"query_pre_attn_scalar", NULL, KEY_DOUBLE, AT(query_scalar), 1e-3, 1e6, 256},
    {"attn_logit_softcapping", "attn_logit_softcapping", KEY_FLOAT_OR_NONE, AT(score_cap), 1e-3, 1e6, 50},
    {"final_logit_softcapping", "final_logit_softcapping", KEY_FLOAT_OR_NONE, AT(logit_cap), 1e-3, 1e6, 30},
    {0},
};

static const struct arch_weight gemma2_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM_LESS_ONE),
    ROWS_ATTENTION_BIASED("attention_bias"),
    ROWS_GEMMA_NORMS,
    ROWS_MLP,
    ROWS_OUTPUT(WEIGHT_NORM_LESS_ONE),
    {0},
};

static const struct arch_demand gemma2_demands[] = {
    {"hidden_activation", "gelu_pytorch_tanh"},
    {"use_bidirectional_attention", "false"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const gemma2_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_gemma2 = {
    .model_type = "gemma2",
    .class_name = "Gemma2ForCausalLM",
    .gguf = "gemma2",
    .gguf_wide_layers = 46, /* 27B */
    .gelu = true,
    .scaled_embedding = true,
    .keys = gemma2_keys,
    .weights = gemma2_weights,
    .demands = gemma2_demands,
    .ignored = gemma2_ignored,
};
