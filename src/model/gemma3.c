/* gemma3.c: Gemma 3's text model as Hugging Face's Gemma3ForCausalLM has it.
 *
 * Gemma 2's block with queries and keys normalised per head instead of capped scores. Five of six layers see
 * a window and turn their heads with a theta of their own (rope_local_base_freq, or rope_parameters by kind
 * of layer), every sixth sees all, with rope_theta and perhaps a scaling. GGUF has the norms with 1 added.
 * (Gemma team 2025, "Gemma 3 technical report".)
 */
#include "model/arch_rows.h"

static const struct arch_key gemma3_keys[] = {
    KEYS_SIZES(4, 256),
    KEYS_COMMON(131072, 1000000, true),
    {"rope_local_base_freq", "rope.freq_base_swa", KEY_DOUBLE, AT(local_theta), ROPE_THETA_MIN,
     ROPE_THETA_MAX, 10000},
    KEY_WINDOW(GGUF_WINDOW, 4096),
    {"sliding_window_pattern", "attention.sliding_window_pattern", KEY_INT, AT(full_every), 1, 4096, 6},
    {"query_pre_attn_scalar", NULL, KEY_DOUBLE, AT(query_scalar), 1e-3, 1e6, 256},
    {"final_logit_softcapping", "final_logit_softcapping", KEY_FLOAT_OR_NONE, AT(logit_cap), 1e-3, 1e6, 0},
    {0},
};

static const struct arch_weight gemma3_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM_LESS_ONE),
    ROWS_ATTENTION_BIASED("attention_bias"),
    ROWS_QK_NORM(WEIGHT_NORM_LESS_ONE),
    ROWS_GEMMA_NORMS,
    ROWS_MLP,
    ROWS_OUTPUT(WEIGHT_NORM_LESS_ONE),
    {0},
};

static const struct arch_demand gemma3_demands[] = {
    {"hidden_activation", "gelu_pytorch_tanh"},
    {"use_bidirectional_attention", "false"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const gemma3_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_gemma3 = {
    .model_type = "gemma3_text",
    .class_name = "Gemma3ForCausalLM",
    .gguf = "gemma3",
    .gguf_wide_layers = 62, /* 27B */
    .gelu = true,
    .scaled_embedding = true,
    .keys = gemma3_keys,
    .weights = gemma3_weights,
    .demands = gemma3_demands,
    .ignored = gemma3_ignored,
};
