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
    KEYS_LATENT,
    KEYS_COMMON(4096, 10000, false),
    {"rope_interleave", NULL, KEY_BOOL, AT(interleaved), 0, 1, true},
    KEYS_EXPERTS(256, 1, 8, 2048, 3),
    KEYS_GROUPS(8, 4),
    KEY_NORMALISED(1, true),
    KEY_GATE_SCALE(2.5),
    {"num_nextn_predict_layers", NULL, KEY_INT_OR_NONE, AT(mtp), 0, 16, 0},
    {0},
};

static const struct arch_weight deepseek_v3_weights[] = {
    ROW_EMBED,
    LAYER_NORM_IF(SLOT_MTP_EMBED_NORM, "enorm", "nextn.enorm", "1D", "mtp"),
    LAYER_NORM_IF(SLOT_MTP_HIDDEN_NORM, "hnorm", "nextn.hnorm", "1D", "mtp"),
    LAYER_MATRIX_IF(SLOT_MTP_JOIN, "eh_proj", "nextn.eh_proj", "DT", "mtp"),
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_LATENT,
    ROW_MLP_NORM,
    ROWS_DENSE_OR_EXPERTS,
    ROWS_SHARED_EXPERTS,
    {SLOT_ROUTER_BIAS, WEIGHT_BUFFER, "model.layers.*.mlp.gate.e_score_correction_bias",
     "blk.*.exp_probs_b.bias", "1E", "moe", false},
    LAYER_NORM_IF(SLOT_MTP_FINAL_NORM, "shared_head.norm", "nextn.shared_head_norm", "1D", "mtp"),
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand deepseek_v3_demands[] = {
    {"hidden_act", "silu"},  {"attention_bias", "false"}, {"scoring_func", "sigmoid"},
    {"pretraining_tp", "1"}, {"topk_method", "noaux_tc"}, {0},
};

static const char *const deepseek_v3_ignored[] = {IGNORED_COMMON, IGNORED_LATENT,
                                                  "model.layers.*.embed_tokens.weight",
                                                  "model.layers.*.shared_head.head.weight", NULL};

const struct arch arch_deepseek_v3 = {
    .model_type = "deepseek_v3",
    .class_name = "DeepseekV3ForCausalLM",
    .gguf = "deepseek2",
    .gguf_key = "expert_gating_func",
    .gguf_least = GGUF_SIGMOID,
    .gguf_groups = {256, 8, 4},
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
