/* deepseek_v2.c: DeepSeek-V2 and V2-Lite as Hugging Face's DeepseekV2ForCausalLM has them.
 *
 * V3's attention (V2-Lite: queries without a latent, q_lora_rank null) and mixtures with softmax scores that
 * are not divided by their sum; without a correction, and a group of experts counts by its best alone
 * (topk_method group_limited_greedy; greedy has no groups). (DeepSeek-AI 2024, "DeepSeek-V2".)
 */
#include "model/arch_rows.h"

static const struct arch_key deepseek_v2_keys[] = {
    KEYS_LATENT,
    KEYS_COMMON(2048, 10000, false),
    {"rope_interleave", NULL, KEY_BOOL, AT(interleaved), 1, 1, true}, /* in no config.json: a constant */
    KEYS_EXPERTS(64, 2, NAN, 1407, 0),
    KEYS_GROUPS(0, 0),
    KEY_NORMALISED(0, false),
    KEY_GATE_SCALE(1),
    {0},
};

static const struct arch_weight deepseek_v2_weights[] = {
    ROW_EMBED,           ROW_ATTN_NORM(WEIGHT_NORM), ROWS_LATENT, ROW_MLP_NORM, ROWS_DENSE_OR_EXPERTS,
    ROWS_SHARED_EXPERTS, ROWS_OUTPUT(WEIGHT_NORM),   {0},
};

static const struct arch_demand deepseek_v2_demands[] = {
    {"hidden_act", "silu"},  {"attention_bias", "false"}, {"scoring_func", "softmax"},
    {"pretraining_tp", "1"}, {"mlp_bias", "false"},       {0},
};

static const char *const deepseek_v2_ignored[] = {IGNORED_COMMON, IGNORED_LATENT, NULL};

const struct arch arch_deepseek_v2 = {
    .model_type = "deepseek_v2",
    .class_name = "DeepseekV2ForCausalLM",
    .gguf = "deepseek2",
    .gguf_groups = {160, 8, 3}, /* V2 and V2.5 */
    .score = ROUTE_SOFTMAX,
    .topk_method = "greedy",
    .group_best = 1,
    .score_mscale = true,
    .keys = deepseek_v2_keys,
    .weights = deepseek_v2_weights,
    .demands = deepseek_v2_demands,
    .ignored = deepseek_v2_ignored,
};
