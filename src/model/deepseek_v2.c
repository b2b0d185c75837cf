/* deepseek_v2.c: DeepSeek-V2 and V2-Lite as Hugging Face's DeepseekV2ForCausalLM has them.
 *
 * V3's attention (V2-Lite: queries without a latent, q_lora_rank null) and mixtures with softmax scores that
 * are not divided by their sum; without a correction, and a group of experts counts by its best alone
 * (topk_method group_limited_greedy; greedy has no groups). (DeepSeek-AI 2024, "DeepSeek-V2".)
 */
#include "model/arch_rows.h"

static const struct arch_key deepseek_v2_keys[] = {
    KEYS_SIZES(0, 0), /* head_dim: see deepseek_v3.c */
    KEYS_COMMON(2048, 10000, false),
    KEYS_LATENT,
    {"rope_interleave", NULL, KEY_BOOL, AT(interleaved), 1, 1, true}, /* in no config.json: a constant */
    KEYS_EXPERTS(64, 2, NAN, 1407),
    {"first_k_dense_replace", NULL, KEY_INT, AT(dense_first), 0, 4096, 0},
    {"n_group", NULL, KEY_INT_OR_NONE, AT(groups), 1, ROUTE_EXPERTS_MAX, 0},
    {"topk_group", NULL, KEY_INT_OR_NONE, AT(top_groups), 1, ROUTE_EXPERTS_MAX, 0},
    {"routed_scaling_factor", NULL, KEY_FLOAT, AT(gate_scale), 1e-6, 1e6, 1},
    {0},
};

static const struct arch_weight deepseek_v2_weights[] = {
    ROW_EMBED,    ROW_ATTN_NORM(WEIGHT_NORM), ROWS_LATENT,
    ROW_MLP_NORM, ROWS_DENSE_OR_EXPERTS,      ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand deepseek_v2_demands[] = {
    {"hidden_act", "silu"},
    {"attention_bias", "false"},
    {"scoring_func", "softmax"},
    {"pretraining_tp", "1"},
    {"norm_topk_prob", "false"},
    {"mlp_bias", "false"},
    {0},
};

static const char *const deepseek_v2_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_deepseek_v2 = {
    .model_type = "deepseek_v2",
    .class_name = "DeepseekV2ForCausalLM",
    .score = ROUTE_SOFTMAX,
    .topk_method = "greedy",
    .group_best = 1,
    .score_mscale = true,
    .keys = deepseek_v2_keys,
    .weights = deepseek_v2_weights,
    .demands = deepseek_v2_demands,
    .ignored = deepseek_v2_ignored,
};
