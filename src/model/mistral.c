/* mistral.c: Mistral 7B, Nemo and Small as Hugging Face's MistralForCausalLM has them.
 *
 * Llama's block, in which every layer sees a window of sliding_window keys (7B v0.1: 4096; null in later
 * models: no window). In GGUF it is "llama", which has no window: llama.c reads such files.
 * (Jiang et al. 2023, "Mistral 7B".)
 */
#include "model/arch_rows.h"

static const struct arch_key mistral_keys[] = {
    KEYS_SIZES(8, 0),
    KEYS_COMMON(131072, 10000, false),
    KEY_WINDOW(NULL, 4096),
    {0},
};

static const struct arch_weight mistral_weights[] = {
    ROW_EMBED, ROW_ATTN_NORM(WEIGHT_NORM), ROWS_ATTENTION, ROW_MLP_NORM, ROWS_MLP, ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand mistral_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const mistral_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_mistral = {
    .model_type = "mistral",
    .class_name = "MistralForCausalLM",
    .gguf = "llama",
    .gguf_permuted = true,
    .keys = mistral_keys,
    .weights = mistral_weights,
    .demands = mistral_demands,
    .ignored = mistral_ignored,
};
