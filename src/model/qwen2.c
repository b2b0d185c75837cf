/* qwen2.c: Qwen2 and Qwen2.5 as Hugging Face's Qwen2ForCausalLM has them, and the R1-Distill-Qwen models.
 *
 * Llama's block with a bias on q, k and v (none on the output projection). Where use_sliding_window is true
 * (in no released model) layers from max_window_layers on see a window. GGUF keeps the rows of q and k as
 * they are (ggml's NEOX rotation). (Yang et al. 2024, "Qwen2 technical report"; "Qwen2.5 technical report".)
 */
#include "model/arch_rows.h"

static const struct arch_key qwen2_keys[] = {
    KEYS_SIZES(NAN, 0),
    KEYS_COMMON(32768, 10000, false),
    KEY_WINDOW(NULL, 4096),
    {"max_window_layers", NULL, KEY_INT, AT(window_from), 0, 1 << 20, 28},
    {0},
};

static const struct arch_weight qwen2_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_QKV_BIASED(NULL),
    ROW_O,
    ROW_MLP_NORM,
    ROWS_MLP,
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand qwen2_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const qwen2_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_qwen2 = {
    .model_type = "qwen2",
    .class_name = "Qwen2ForCausalLM",
    .gguf = "qwen2",
    .window_switch = "use_sliding_window",
    .keys = qwen2_keys,
    .weights = qwen2_weights,
    .demands = qwen2_demands,
    .ignored = qwen2_ignored,
};
