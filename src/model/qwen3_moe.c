/* qwen3_moe.c: Qwen3's mixtures of experts as Hugging Face's Qwen3MoeForCausalLM has them.
 *
 * Qwen3's block whose MLP is a mixture in every decoder_sparse_step-th layer, but for those of
 * mlp_only_layers: each token takes the num_experts_per_tok experts with the largest softmax scores, which
 * norm_topk_prob divides by their sum. No shared expert. A window, if there is one, is every layer's.
 * (Yang et al. 2025, "Qwen3 technical report".)
 */
#include "model/arch_rows.h"

static const struct arch_key qwen3_moe_keys[] = {
    KEYS_SIZES(NAN, 0),
    KEYS_COMMON(32768, 10000, false),
    KEY_WINDOW(NULL, 4096),
    {"num_local_experts", NULL, KEY_INT, AT(experts), 0, ROUTE_EXPERTS_MAX,
     128}, /* as transformers 5 saves it */
    {"num_experts", "expert_count", KEY_INT, AT(experts), 0, ROUTE_EXPERTS_MAX, KEY_KEEP},
    KEYS_USED_EXPERTS(8, 768),
    {"decoder_sparse_step", NULL, KEY_INT, AT(moe_every), 1, 4096, 1},
    {"norm_topk_prob", NULL, KEY_BOOL, AT(normalise_gates), 0, 1, false},
    KEY_GATE_SCALE_ONE,
    {0},
};

static const struct arch_weight qwen3_moe_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_ATTENTION_BIASED("attention_bias"),
    ROWS_QK_NORM(WEIGHT_NORM),
    ROW_MLP_NORM,
    ROWS_DENSE_OR_EXPERTS,
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand qwen3_moe_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const qwen3_moe_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_qwen3_moe = {
    .model_type = "qwen3_moe",
    .class_name = "Qwen3MoeForCausalLM",
    .gguf = "qwen3moe",
    .gguf_normalised = true,
    .window_switch = "use_sliding_window",
    .score = ROUTE_SOFTMAX,
    .topk_method = "greedy",
    .moe_from_one = true,
    .keys = qwen3_moe_keys,
    .weights = qwen3_moe_weights,
    .demands = qwen3_moe_demands,
    .ignored = qwen3_moe_ignored,
};
