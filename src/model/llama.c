/* llama.c: the Llama family as Hugging Face's LlamaForCausalLM has it: Llama 2 and 3, SmolLM2, the
 * R1-Distill-Llama models.
 *
 * Per layer: x = x + O Attn(RMSNorm(x)); x = x + Down (silu(Gate h) * Up h), h = RMSNorm(x). Heads are turned
 * by RoPE with the halves rotated (x_i with x_{i+hd/2}); GGUF files of this architecture store the rows of q
 * and k with each pair side by side (llama.cpp's converter permutes them), so they are put back when read.
 * (Touvron et al. 2023, "LLaMA: open and efficient foundation language models".)
 */
#include "model/arch_rows.h"

static const struct arch_key llama_keys[] = {
    KEYS_SIZES(0, 0),
    KEYS_COMMON(2048, 10000, false),
    {0},
};

static const struct arch_weight llama_weights[] = {
    ROW_EMBED,    ROW_ATTN_NORM(WEIGHT_NORM),  ROWS_ATTENTION_BIASED("attention_bias"),
    ROW_MLP_NORM, ROWS_MLP_BIASED("mlp_bias"), ROWS_OUTPUT(WEIGHT_NORM),
    {0},
};

static const struct arch_demand llama_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {"pretraining_tp", "1"},
    {0},
};

static const char *const llama_ignored[] = {IGNORED_COMMON, "rope_freqs.weight", NULL};

const struct arch arch_llama = {
    .model_type = "llama",
    .class_name = "LlamaForCausalLM",
    .gguf = "llama",
    .gguf_permuted = true,
    .keys = llama_keys,
    .weights = llama_weights,
    .demands = llama_demands,
    .ignored = llama_ignored,
};
