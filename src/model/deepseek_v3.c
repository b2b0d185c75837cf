/* deepseek_v3.c: DeepSeek-V3 and R1 as their checkpoints have them (Hugging Face's DeepseekV3ForCausalLM).
 *
 * Latent attention: keys and values of a token come from one vector of kv_lora_rank numbers, and a key's
 * turned part is shared by all heads. After the first dense layers, mixtures of experts: each token takes the
 * top_k by sigmoid scores plus a correction, within the best groups, and a shared expert besides. The layers
 * behind the last (num_nextn_predict_layers) predict one token further each; checkpoints repeat the embedding
 * and the output matrix in them. (DeepSeek-AI 2024, "DeepSeek-V3 technical report"; 2025, "DeepSeek-R1".)
 */
#include "model/arch_rows.h"

static const struct arch_key deepseek_v3_keys[] = {
    KEYS_SIZES(0, 0), /* head_dim is the turned part's size where transformers writes it; derived here */
    KEYS_COMMON(4096, 10000, false),
    KEYS_LATENT,
    {"rope_interleave", NULL, KEY_BOOL, AT(interleaved), 0, 1, true},
    KEYS_EXPERTS(256, 1, 8, 2048),
    {"first_k_dense_replace", NULL, KEY_INT, AT(dense_first), 0, 4096, 3},
    {"n_group", NULL, KEY_INT_OR_NONE, AT(groups), 1, ROUTE_EXPERTS_MAX, 8},
    {"topk_group", NULL, KEY_INT_OR_NONE, AT(top_groups), 1, ROUTE_EXPERTS_MAX, 4},
    {"norm_topk_prob", NULL, KEY_BOOL, AT(normalise_gates), 0, 1, true},
    {"routed_scaling_factor", NULL, KEY_FLOAT, AT(gate_scale), 1e-6, 1e6, 2.5},
    {"num_nextn_predict_layers", NULL, KEY_INT_OR_NONE, AT(mtp), 0, 16, 0},
    {0},
};

static const struct arch_weight deepseek_v3_weights[] = {
    ROW_EMBED,
    LAYER_NORM_IF(SLOT_MTP_EMBED_NORM, "enorm", "1D", "mtp"),
    LAYER_NORM_IF(SLOT_MTP_HIDDEN_NORM, "hnorm", "1D", "mtp"),
    LAYER_MATRIX_IF(SLOT_MTP_JOIN, "eh_proj", "DT", "mtp"),
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_LATENT,
    ROW_MLP_NORM,
    ROWS_DENSE_OR_EXPERTS,
    {SLOT_ROUTER_BIAS, WEIGHT_BUFFER, "model.layers.*.mlp.gate.e_score_correction_bias", NULL, "1E", "moe",
     false},
    LAYER_NORM_IF(SLOT_MTP_FINAL_NORM, "shared_head.norm", "1D", "mtp"),
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand deepseek_v3_demands[] = {
    {"hidden_act", "silu"},  {"attention_bias", "false"}, {"scoring_func", "sigmoid"},
    {"pretraining_tp", "1"}, {"topk_method", "noaux_tc"}, {0},
};

static const char *const deepseek_v3_ignored[] = {IGNORED_COMMON, "model.layers.*.embed_tokens.weight",
                                                  "model.layers.*.shared_head.head.weight", NULL};

const struct arch arch_deepseek_v3 = {
    .model_type = "deepseek_v3",
    .class_name = "DeepseekV3ForCausalLM",
    .score = ROUTE_SIGMOID,
    .topk_method = "noaux_tc",
    .group_best = 2,
    .score_mscale = true,
    .keys = deepseek_v3_keys,
    .weights = deepseek_v3_weights,
    .demands = deepseek_v3_demands,
    .ignored = deepseek_v3_ignored,
    .copy_embed = "model.layers.*.embed_tokens.weight",
    .copy_head = "model.layers.*.shared_head.head.weight",
};
