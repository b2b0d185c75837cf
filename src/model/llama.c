/* llama.c: the Llama family as Hugging Face's LlamaForCausalLM has it: Llama 2 and 3, SmolLM2, the
 * R1-Distill-Llama models.
 *
 * Per layer: x = x + O Attn(RMSNorm(x)); x = x + Down (silu(Gate h) * Up h), h = RMSNorm(x). Heads are turned
 * by RoPE with the halves rotated (x_i with x_{i+hd/2}); GGUF files of this architecture store the rows of q
 * and k with each pair side by side (llama.cpp's converter permutes them), so they are put back when read.
 * (Touvron et al. 2023, "LLaMA: open and efficient foundation language models".)
 */
#include <math.h>
#include <stddef.h>

#include "model/model_int.h"

#define AT(field) offsetof(struct model_config, field)

static const struct arch_key llama_keys[] = {
    {"vocab_size", "vocab_size", KEY_INT, AT(vocab), 1, 1 << 24, NAN},
    {"hidden_size", "embedding_length", KEY_INT, AT(hidden), 1, 1 << 18, NAN},
    {"num_hidden_layers", "block_count", KEY_INT, AT(layers), 1, 4096, NAN},
    {"num_attention_heads", "attention.head_count", KEY_INT, AT(heads), 1, 4096, NAN},
    {"num_key_value_heads", "attention.head_count_kv", KEY_INT, AT(kv_heads), 1, 4096, 0},
    {"head_dim", "attention.key_length", KEY_INT, AT(head_dim), 2, 1024, 0},
    {"intermediate_size", "feed_forward_length", KEY_INT, AT(intermediate), 1, 1 << 20, NAN},
    {"max_position_embeddings", "context_length", KEY_INT, AT(max_positions), 1, 1 << 30, 2048},
    {"rope_theta", "rope.freq_base", KEY_DOUBLE, AT(rope_theta), ROPE_THETA_MIN, ROPE_THETA_MAX, 10000},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", KEY_FLOAT, AT(rms_eps), 1e-12, 1, 1e-6},
    {"initializer_range", NULL, KEY_DOUBLE, AT(init_range), 0, 100, 0.02},
    {"tie_word_embeddings", NULL, KEY_BOOL, AT(tied), 0, 1, 0},
    {0},
};

#define LAYER "model.layers.*."
static const struct arch_weight llama_weights[] = {
    {SLOT_EMBED, WEIGHT_MATRIX, "model.embed_tokens.weight", "token_embd.weight", "VD", NULL, false},

    {SLOT_ATTN_NORM, WEIGHT_NORM, LAYER "input_layernorm.weight", "blk.*.attn_norm.weight", "1D", NULL,
     false},
    {SLOT_Q, WEIGHT_MATRIX, LAYER "self_attn.q_proj.weight", "blk.*.attn_q.weight", "QD", NULL, true},
    {SLOT_Q_BIAS, WEIGHT_BIAS, LAYER "self_attn.q_proj.bias", "blk.*.attn_q.bias", "1Q", "attention_bias",
     true},
    {SLOT_K, WEIGHT_MATRIX, LAYER "self_attn.k_proj.weight", "blk.*.attn_k.weight", "KD", NULL, true},
    {SLOT_K_BIAS, WEIGHT_BIAS, LAYER "self_attn.k_proj.bias", "blk.*.attn_k.bias", "1K", "attention_bias",
     true},
    {SLOT_V, WEIGHT_MATRIX, LAYER "self_attn.v_proj.weight", "blk.*.attn_v.weight", "KD", NULL, false},
    {SLOT_V_BIAS, WEIGHT_BIAS, LAYER "self_attn.v_proj.bias", "blk.*.attn_v.bias", "1K", "attention_bias",
     false},
    {SLOT_O, WEIGHT_MATRIX, LAYER "self_attn.o_proj.weight", "blk.*.attn_output.weight", "DQ", NULL, false},
    {SLOT_O_BIAS, WEIGHT_BIAS, LAYER "self_attn.o_proj.bias", "blk.*.attn_output.bias", "1D",
     "attention_bias", false},

    {SLOT_MLP_NORM, WEIGHT_NORM, LAYER "post_attention_layernorm.weight", "blk.*.ffn_norm.weight", "1D", NULL,
     false},
    {SLOT_GATE, WEIGHT_MATRIX, LAYER "mlp.gate_proj.weight", "blk.*.ffn_gate.weight", "ID", NULL, false},
    {SLOT_GATE_BIAS, WEIGHT_BIAS, LAYER "mlp.gate_proj.bias", "blk.*.ffn_gate.bias", "1I", "mlp_bias", false},
    {SLOT_UP, WEIGHT_MATRIX, LAYER "mlp.up_proj.weight", "blk.*.ffn_up.weight", "ID", NULL, false},
    {SLOT_UP_BIAS, WEIGHT_BIAS, LAYER "mlp.up_proj.bias", "blk.*.ffn_up.bias", "1I", "mlp_bias", false},
    {SLOT_DOWN, WEIGHT_MATRIX, LAYER "mlp.down_proj.weight", "blk.*.ffn_down.weight", "DI", NULL, false},
    {SLOT_DOWN_BIAS, WEIGHT_BIAS, LAYER "mlp.down_proj.bias", "blk.*.ffn_down.bias", "1D", "mlp_bias", false},

    {SLOT_FINAL_NORM, WEIGHT_NORM, "model.norm.weight", "output_norm.weight", "1D", NULL, false},
    {SLOT_HEAD, WEIGHT_MATRIX, "lm_head.weight", "output.weight", "VD", "untied", false},
    {0},
};

static const struct arch_demand llama_demands[] = {
    {"hidden_act", "silu"},
    {"partial_rotary_factor", "1"},
    {"layer_types", "full_attention"},
    {"pretraining_tp", "1"},
    {0},
};

/* lm_head: only looked at when a tied checkpoint carries a copy of the embedding. */
static const char *const llama_ignored[] = {"lm_head.weight", LAYER "self_attn.rotary_emb.inv_freq",
                                            "rope_freqs.weight", NULL};

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
