/* qwen3.c: Qwen3 as Hugging Face's Qwen3ForCausalLM has it.
 *
 * Qwen2's block without its biases; queries and keys are normalised per head before they are turned, and the
 * head size stands for itself (heads * head_dim need not be hidden_size). (Yang et al. 2025, "Qwen3 technical
 * report".)
 */
#include "model/arch_rows.h"

static const struct arch_key qwen3_keys[] = {
    KEYS_SIZES(NAN, 128),
    KEYS_COMMON(32768, 10000, false),
    KEY_WINDOW(NULL, 4096),
    {"max_window_layers", NULL, KEY_INT, AT(window_from), 0, 1 << 20, 28},
    {0},
};

static const struct arch_weight qwen3_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_ATTENTION_BIASED("attention_bias"),
    ROWS_QK_NORM(WEIGHT_NORM),
    ROW_MLP_NORM,
    ROWS_MLP,
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand qwen3_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const qwen3_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_qwen3 = {
    .model_type = "qwen3",
    .class_name = "Qwen3ForCausalLM",
    .gguf = "qwen3",
    .window_switch = "use_sliding_window",
    .keys = qwen3_keys,
    .weights = qwen3_weights,
    .demands = qwen3_demands,
    .ignored = qwen3_ignored,
};
