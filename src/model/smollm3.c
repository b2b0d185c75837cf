/* smollm3.c: SmolLM3 as Hugging Face's SmolLM3ForCausalLM has it.
 *
 * Llama's block, in which every fourth layer does not turn its heads (NoPE: Kazemnejad et al. 2023, "The
 * impact of positional encoding on length generalization"): no_rope_layers says 1 where they are turned and 0
 * where not, or no_rope_layer_interval gives the rhythm. If there is a window, it is the NoPE layers' unless
 * layer_types says otherwise. GGUF permutes q and k as for Llama and keeps the rhythm of four to itself.
 */
#include "model/arch_rows.h"

static const struct arch_key smollm3_keys[] = {
    KEYS_SIZES(4, 0),
    KEYS_COMMON(32768, 2000000, true),
    KEY_WINDOW(NULL, 0),
    {"no_rope_layer_interval", NULL, KEY_INT, AT(nope_every), 1, 1 << 20, 4},
    {0},
};

static const struct arch_weight smollm3_weights[] = {
    ROW_EMBED,    ROW_ATTN_NORM(WEIGHT_NORM),  ROWS_ATTENTION_BIASED("attention_bias"),
    ROW_MLP_NORM, ROWS_MLP_BIASED("mlp_bias"), ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand smollm3_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const smollm3_ignored[] = {IGNORED_COMMON, "rope_freqs.weight", NULL};

const struct arch arch_smollm3 = {
    .model_type = "smollm3",
    .class_name = "SmolLM3ForCausalLM",
    .gguf = "smollm3",
    .gguf_permuted = true,
    .window_switch = "use_sliding_window",
    .window_without_rope = true,
    .keys = smollm3_keys,
    .weights = smollm3_weights,
    .demands = smollm3_demands,
    .ignored = smollm3_ignored,
};
