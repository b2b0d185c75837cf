/* arch_rows.h: the rows that Llama-like architectures have in common, stated once.
 *
 * A description is a choice of these and its own rows; model_int.h says what the columns mean. Weights keep
 * this order in memory: embedding, layer by layer, final norm, output matrix.
 */
#ifndef MODEL_ARCH_ROWS_H
#define MODEL_ARCH_ROWS_H

#include <math.h>
#include <stddef.h>

#include "kern/kern.h"
#include "model/model_int.h"

/* clang-format off */

/* ---- keys ---------------------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct model_config, field)

/* kv, hd: what an absent num_key_value_heads or head_dim stands for. NAN: it must be there; 0, and null in
 * the file: as many as there are heads; hidden_size / heads. */
#define KEYS_WIDTHS \
    {"vocab_size", "vocab_size", KEY_INT, AT(vocab), 1, 1 << 24, NAN}, \
    {"hidden_size", "embedding_length", KEY_INT, AT(hidden), 1, 1 << 18, NAN}, \
    {"num_hidden_layers", "block_count", KEY_INT, AT(layers), 1, 4096, NAN}, \
    {"num_attention_heads", "attention.head_count", KEY_INT, AT(heads), 1, 4096, NAN}, \
    {"intermediate_size", "feed_forward_length", KEY_INT, AT(intermediate), 1, 1 << 20, NAN}
#define KEYS_SIZES(kv, hd) \
    KEYS_WIDTHS, \
    {"num_key_value_heads", "attention.head_count_kv", KEY_INT_OR_NONE, AT(kv_heads), 1, 4096, kv}, \
    {"head_dim", "attention.key_length", KEY_INT_OR_NONE, AT(head_dim), 2, HEAD_DIM_MAX, hd}

/* What the architecture's class in transformers assumes where a file is silent. */
#define KEYS_COMMON(positions, theta, tied_embeddings) \
    {"max_position_embeddings", "context_length", KEY_INT, AT(max_positions), 1, 1 << 30, positions}, \
    {"rope_theta", "rope.freq_base", KEY_DOUBLE, AT(rope_theta), ROPE_THETA_MIN, ROPE_THETA_MAX, theta}, \
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", KEY_FLOAT, AT(rms_eps), 1e-12, 1, 1e-6}, \
    {"initializer_range", NULL, KEY_DOUBLE, AT(init_range), 0, 100, 0.02}, \
    {"tie_word_embeddings", NULL, KEY_BOOL, AT(tied), 0, 1, tied_embeddings}

/* gguf: llama.cpp heeds the window of Gemma alone; elsewhere NULL. */
#define GGUF_WINDOW "attention.sliding_window"
#define KEY_WINDOW(gguf, keys) {"sliding_window", gguf, KEY_INT_OR_NONE, AT(window), 1, 1 << 30, keys}

/* ---- weights ------------------------------------------------------------------------------------------- */

#define LAYER_MATRIX(slot, hf, gguf, shape, rotary) \
    {slot, WEIGHT_MATRIX, "model.layers.*." hf ".weight", "blk.*." gguf ".weight", shape, NULL, rotary}
/* when: the key that brings the bias into being, or NULL: it is always there. */
#define LAYER_BIAS(slot, hf, gguf, shape, rotary, when) \
    {slot, WEIGHT_BIAS, "model.layers.*." hf ".bias", "blk.*." gguf ".bias", shape, when, rotary}
/* kind: WEIGHT_NORM or WEIGHT_NORM_LESS_ONE. */
#define LAYER_NORM(slot, kind, hf, gguf, shape) \
    {slot, kind, "model.layers.*." hf ".weight", "blk.*." gguf ".weight", shape, NULL, false}

#define LAYER_MATRIX_IF(slot, hf, gguf, shape, when) \
    {slot, WEIGHT_MATRIX, "model.layers.*." hf ".weight", "blk.*." gguf ".weight", shape, when, false}
#define LAYER_NORM_IF(slot, hf, gguf, shape, when) \
    {slot, WEIGHT_NORM, "model.layers.*." hf ".weight", "blk.*." gguf ".weight", shape, when, false}

#define ROW_EMBED \
    {SLOT_EMBED, WEIGHT_MATRIX, "model.embed_tokens.weight", "token_embd.weight", "VD", NULL, false}

#define ROW_Q LAYER_MATRIX(SLOT_Q, "self_attn.q_proj", "attn_q", "QD", true)
#define ROW_K LAYER_MATRIX(SLOT_K, "self_attn.k_proj", "attn_k", "KD", true)
#define ROW_V LAYER_MATRIX(SLOT_V, "self_attn.v_proj", "attn_v", "KD", false)
#define ROW_O LAYER_MATRIX(SLOT_O, "self_attn.o_proj", "attn_output", "DQ", false)
#define ROWS_ATTENTION ROW_Q, ROW_K, ROW_V, ROW_O
#define ROWS_QKV_BIASED(when) \
    ROW_Q, LAYER_BIAS(SLOT_Q_BIAS, "self_attn.q_proj", "attn_q", "1Q", true, when), \
    ROW_K, LAYER_BIAS(SLOT_K_BIAS, "self_attn.k_proj", "attn_k", "1K", true, when), \
    ROW_V, LAYER_BIAS(SLOT_V_BIAS, "self_attn.v_proj", "attn_v", "1K", false, when)
#define ROWS_ATTENTION_BIASED(when) \
    ROWS_QKV_BIASED(when), \
    ROW_O, LAYER_BIAS(SLOT_O_BIAS, "self_attn.o_proj", "attn_output", "1D", false, when)
/* Queries and keys normalised per head, before they are turned. */
#define ROWS_QK_NORM(kind) \
    LAYER_NORM(SLOT_Q_NORM, kind, "self_attn.q_norm", "attn_q_norm", "1H"), \
    LAYER_NORM(SLOT_K_NORM, kind, "self_attn.k_norm", "attn_k_norm", "1H")

#define ROW_GATE LAYER_MATRIX(SLOT_GATE, "mlp.gate_proj", "ffn_gate", "ID", false)
#define ROW_UP LAYER_MATRIX(SLOT_UP, "mlp.up_proj", "ffn_up", "ID", false)
#define ROW_DOWN LAYER_MATRIX(SLOT_DOWN, "mlp.down_proj", "ffn_down", "DI", false)
#define ROWS_MLP ROW_GATE, ROW_UP, ROW_DOWN
#define ROWS_MLP_BIASED(when) \
    ROW_GATE, LAYER_BIAS(SLOT_GATE_BIAS, "mlp.gate_proj", "ffn_gate", "1I", false, when), \
    ROW_UP, LAYER_BIAS(SLOT_UP_BIAS, "mlp.up_proj", "ffn_up", "1I", false, when), \
    ROW_DOWN, LAYER_BIAS(SLOT_DOWN_BIAS, "mlp.down_proj", "ffn_down", "1D", false, when)

#define ROW_ATTN_NORM(kind) LAYER_NORM(SLOT_ATTN_NORM, kind, "input_layernorm", "attn_norm", "1D")
#define ROW_MLP_NORM LAYER_NORM(SLOT_MLP_NORM, WEIGHT_NORM, "post_attention_layernorm", "ffn_norm", "1D")
/* Gemma: a norm of what attention adds, one before the MLP, one of what the MLP adds; stored less 1. */
#define ROWS_GEMMA_NORMS \
    LAYER_NORM(SLOT_ATTN_POST_NORM, WEIGHT_NORM_LESS_ONE, "post_attention_layernorm", \
               "post_attention_norm", "1D"), \
    LAYER_NORM(SLOT_MLP_NORM, WEIGHT_NORM_LESS_ONE, "pre_feedforward_layernorm", "ffn_norm", "1D"), \
    LAYER_NORM(SLOT_MLP_POST_NORM, WEIGHT_NORM_LESS_ONE, "post_feedforward_layernorm", \
               "post_ffw_norm", "1D")

/* ---- DeepSeek: latent attention, mixtures of experts, layers that predict further ---------------------- */

/* num_key_value_heads and head_dim (the turned part's, where transformers writes it) say nothing: they are
 * derived. Sizes of heads in GGUF: gguf_config.c. */
#define KEYS_LATENT \
    KEYS_WIDTHS, \
    {"num_key_value_heads", NULL, KEY_INT_OR_NONE, AT(kv_heads), 1, 4096, 0}, \
    {"head_dim", NULL, KEY_INT_OR_NONE, AT(head_dim), 2, HEAD_DIM_MAX, 0}, \
    {"q_lora_rank", "attention.q_lora_rank", KEY_INT_OR_NONE, AT(q_rank), 0, 1 << 16, 1536}, \
    {"kv_lora_rank", "attention.kv_lora_rank", KEY_INT, AT(kv_rank), 1, KERN_ATTN_MAX, 512}, \
    {"qk_nope_head_dim", NULL, KEY_INT, AT(nope_dim), 1, LATENT_HEAD_MAX, 128}, \
    {"qk_rope_head_dim", "rope.dimension_count", KEY_INT, AT(rope_dim), 2, LATENT_HEAD_MAX, 64}, \
    {"v_head_dim", NULL, KEY_INT, AT(value_dim), 1, LATENT_HEAD_MAX, 128}
#define KEYS_USED_EXPERTS(k, width) \
    {"num_experts_per_tok", "expert_used_count", KEY_INT, AT(top_k), 1, ROUTE_EXPERTS_MAX, k}, \
    {"moe_intermediate_size", "expert_feed_forward_length", KEY_INT, AT(moe_intermediate), 1, 1 << 20, width}
#define KEYS_EXPERTS(n, shared_n, k, width, dense_n) \
    {"n_routed_experts", "expert_count", KEY_INT_OR_NONE, AT(experts), 1, ROUTE_EXPERTS_MAX, n}, \
    {"n_shared_experts", "expert_shared_count", KEY_INT_OR_NONE, AT(shared), 0, 64, shared_n}, \
    KEYS_USED_EXPERTS(k, width), \
    {"first_k_dense_replace", "leading_dense_block_count", KEY_INT, AT(dense_first), 0, 4096, dense_n}, \
    {"moe_layer_freq", NULL, KEY_INT, AT(moe_every), 1, 4096, 1}
#define KEYS_GROUPS(n, top) \
    {"n_group", "expert_group_count", KEY_INT_OR_NONE, AT(groups), 1, ROUTE_EXPERTS_MAX, n}, \
    {"topk_group", "expert_group_used_count", KEY_INT_OR_NONE, AT(top_groups), 1, ROUTE_EXPERTS_MAX, top}
#define KEY_NORMALISED(most, fallback) \
    {"norm_topk_prob", "expert_weights_norm", KEY_BOOL, AT(normalise_gates), 0, most, fallback}
#define KEY_GATE_SCALE(fallback) \
    {"routed_scaling_factor", "expert_weights_scale", KEY_FLOAT, AT(gate_scale), 1e-6, 1e6, fallback}

/* Where there is no routed_scaling_factor. */
#define KEY_GATE_SCALE_ONE {"routed_scaling_factor", NULL, KEY_FLOAT, AT(gate_scale), 1, 1, 1}

#define ROWS_LATENT \
    LAYER_MATRIX_IF(SLOT_Q, "self_attn.q_proj", "attn_q", "QD", "no q_rank"), \
    LAYER_MATRIX_IF(SLOT_Q_A, "self_attn.q_a_proj", "attn_q_a", "AD", "q_rank"), \
    LAYER_NORM_IF(SLOT_Q_A_NORM, "self_attn.q_a_layernorm", "attn_q_a_norm", "1A", "q_rank"), \
    LAYER_MATRIX_IF(SLOT_Q_B, "self_attn.q_b_proj", "attn_q_b", "QA", "q_rank"), \
    LAYER_MATRIX_IF(SLOT_KV_A, "self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa", "RD", NULL), \
    LAYER_NORM_IF(SLOT_KV_A_NORM, "self_attn.kv_a_layernorm", "attn_kv_a_norm", "1C", NULL), \
    LAYER_MATRIX_IF(SLOT_KV_B, "self_attn.kv_b_proj", "attn_kv_b", "UC", NULL), \
    LAYER_MATRIX_IF(SLOT_O, "self_attn.o_proj", "attn_output", "DO", NULL)
/* gate, up, down: an expert's matrices in files of the Hugging Face kind. */
#define ROWS_EXPERTS(mixture, gate, up, down, when) \
    LAYER_MATRIX_IF(SLOT_ROUTER, mixture ".gate", "ffn_gate_inp", "ED", when), \
    LAYER_MATRIX_IF(SLOT_EXPERT_GATE, mixture ".experts.#." gate, "ffn_gate_exps", "MD", when), \
    LAYER_MATRIX_IF(SLOT_EXPERT_UP, mixture ".experts.#." up, "ffn_up_exps", "MD", when), \
    LAYER_MATRIX_IF(SLOT_EXPERT_DOWN, mixture ".experts.#." down, "ffn_down_exps", "DM", when)
#define ROWS_DENSE_OR_EXPERTS \
    LAYER_MATRIX_IF(SLOT_GATE, "mlp.gate_proj", "ffn_gate", "ID", "dense"), \
    LAYER_MATRIX_IF(SLOT_UP, "mlp.up_proj", "ffn_up", "ID", "dense"), \
    LAYER_MATRIX_IF(SLOT_DOWN, "mlp.down_proj", "ffn_down", "DI", "dense"), \
    ROWS_EXPERTS("mlp", "gate_proj", "up_proj", "down_proj", "moe")
#define ROWS_SHARED_EXPERTS \
    LAYER_MATRIX_IF(SLOT_SHARED_GATE, "mlp.shared_experts.gate_proj", "ffn_gate_shexp", "SD", "shared"), \
    LAYER_MATRIX_IF(SLOT_SHARED_UP, "mlp.shared_experts.up_proj", "ffn_up_shexp", "SD", "shared"), \
    LAYER_MATRIX_IF(SLOT_SHARED_DOWN, "mlp.shared_experts.down_proj", "ffn_down_shexp", "DS", "shared")

#define ROWS_OUTPUT(kind) \
    {SLOT_FINAL_NORM, kind, "model.norm.weight", "output_norm.weight", "1D", NULL, false}, \
    {SLOT_HEAD, WEIGHT_MATRIX, "lm_head.weight", "output.weight", "VD", "untied", false}

/* ---- tensors without meaning --------------------------------------------------------------------------- */

/* lm_head: only looked at when a tied checkpoint carries a copy of the embedding. */
#define IGNORED_COMMON "lm_head.weight", "model.layers.*.self_attn.rotary_emb.inv_freq"
/* GGUF: kv_b once more, where it is there as a whole. */
#define IGNORED_LATENT GGUF_KEYS, GGUF_VALUES

/* clang-format on */

#endif
