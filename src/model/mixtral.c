/* mixtral.c: Mixtral as Hugging Face's MixtralForCausalLM has it.
 *
 * Mistral's block whose MLP is a mixture in every layer: each token takes the num_experts_per_tok experts
 * with the largest softmax scores, divided by their sum (the softmax over the chosen logits). Checkpoints
 * call an expert's gate, up and down w1, w3 and w2. (Jiang et al. 2024, "Mixtral of experts".)
 */
#include "model/arch_rows.h"

static const struct arch_key mixtral_keys[] = {
    KEYS_SIZES(8, 0),
    KEYS_COMMON(131072, 1000000, false),
    KEY_WINDOW(NULL, 0),
    {"num_local_experts", "expert_count", KEY_INT, AT(experts), 1, ROUTE_EXPERTS_MAX, 8},
    {"num_experts_per_tok", "expert_used_count", KEY_INT, AT(top_k), 1, ROUTE_EXPERTS_MAX, 2},
    {"intermediate_size", NULL, KEY_INT, AT(moe_intermediate), 1, 1 << 20, NAN},
    {"norm_topk_prob", NULL, KEY_BOOL, AT(normalise_gates), 1, 1, true}, /* in no config.json: constants */
    {"decoder_sparse_step", NULL, KEY_INT, AT(moe_every), 1, 1, 1},
    KEY_GATE_SCALE_ONE,
    {0},
};

static const struct arch_weight mixtral_weights[] = {
    ROW_EMBED,
    ROW_ATTN_NORM(WEIGHT_NORM),
    ROWS_ATTENTION,
    ROW_MLP_NORM,
    ROWS_EXPERTS("block_sparse_moe", "w1", "w3", "w2", NULL),
    ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand mixtral_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {0},
};

static const char *const mixtral_ignored[] = {IGNORED_COMMON, NULL};

const struct arch arch_mixtral = {
    .model_type = "mixtral",
    .class_name = "MixtralForCausalLM",
    .gguf = "llama",
    .gguf_key = "expert_count",
    .gguf_least = 1,
    .gguf_permuted = true,
    .gguf_normalised = true,
    .score = ROUTE_SOFTMAX,
    .topk_method = "greedy",
    .keys = mixtral_keys,
    .weights = mixtral_weights,
    .demands = mixtral_demands,
    .ignored = mixtral_ignored,
};
