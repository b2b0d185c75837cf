"""GGUF files of some golden models, as llama.cpp's converter would write them, by gguf-py.

Writes tests/golden/gguf/NAME.gguf (float32 tensors) from tests/golden/models/NAME, so that a reader can be
held to the weights of the original. For architecture "llama" the rows of q and k are permuted per head as in
llama.cpp's convert_hf_to_gguf.py: view [2, hd/2] -> [hd/2, 2]; so for "smollm3". Gemma's norms get the 1 added.
llama_bias has its rope scaling left out (GGUF cannot say it for an original context other than 8192). Experts are
stacked; parts-*.gguf is mixtral_all in several files. Of latent attention deepseek_v2_lite has the older form
(attn_kv_b, sizes of real heads), deepseek_v3_further the newer one (attn_k_b turned over and attn_v_b; the layer
behind the last left out). bytes.gguf has no tensors, but a small byte-level tokenizer: the 256 bytes, four merges,
two control tokens.

Made with gguf 0.19.0. Run: python tools/golden/gguf_models.py [MODELS] [OUT]
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, ExpertGatingFuncType, GGUFWriter, RopeScalingType, get_tensor_name_map
from safetensors.numpy import load_file

ARCHS = {"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3,
         "smollm3": MODEL_ARCH.SMOLLM3, "gemma2": MODEL_ARCH.GEMMA2, "gemma3": MODEL_ARCH.GEMMA3,
         "mixtral": MODEL_ARCH.LLAMA, "qwen3_moe": MODEL_ARCH.QWEN3MOE, "deepseek_v2": MODEL_ARCH.DEEPSEEK2,
         "deepseek_v3": MODEL_ARCH.DEEPSEEK2}
OLDER = ("deepseek_v2_lite",)


def permute(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def add_latent(w, config, older):
    """Keys of DeepSeek; those of heads as converters before or after April 2025 have them."""
    nope, rope, value, rank = (config[k] for k in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank"))
    w.add_head_count_kv(config["num_key_value_heads"] if older else 1)
    w.add_key_length(nope + rope if older else rank + rope)
    w.add_value_length(value if older else rank)
    if not older:
        w.add_key_length_mla(nope + rope)
        w.add_value_length_mla(value)
    if config["q_lora_rank"]:
        w.add_q_lora_rank(config["q_lora_rank"])
    w.add_kv_lora_rank(rank)
    w.add_rope_dimension_count(rope)
    w.add_leading_dense_block_count(config["first_k_dense_replace"])
    w.add_expert_shared_count(config["n_shared_experts"])
    w.add_expert_weights_scale(config["routed_scaling_factor"])
    if config["model_type"] == "deepseek_v3":
        w.add_expert_weights_norm(config["norm_topk_prob"])
        w.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    if not older:
        w.add_expert_group_count(config["n_group"])
        w.add_expert_group_used_count(config["topk_group"])


def latent_parts(name, x, config):
    """kv_b_proj as k_b_proj, turned over, and v_b_proj."""
    heads, nope = config["num_attention_heads"], config["qk_nope_head_dim"]
    x = x.reshape(heads, nope + config["v_head_dim"], -1)
    return {name.replace("kv_b", "k_b"): x[:, :nope].swapaxes(1, 2), name.replace("kv_b", "v_b"): x[:, nope:]}


def stacked(tensors, config, older):
    """Experts of a layer as one tensor, and what else is not one to one."""
    out = {}
    for name, x in tensors.items():
        layer = name.split(".")[2] if name.startswith("model.layers.") else "0"
        if int(layer) >= config["num_hidden_layers"]:
            continue
        if ".kv_b_proj." in name and not older:
            out.update(latent_parts(name, x, config))
        elif ".experts." in name:
            stem, rest = name.split(".experts.")
            number, part = rest.split(".", 1)
            if number == "0":
                count = sum(k.startswith(stem + ".experts.") and k.endswith("." + part) for k in tensors)
                out[f"{stem}.experts.{part}"] = np.stack([tensors[f"{stem}.experts.{e}.{part}"] for e in range(count)])
        else:
            out[name.replace("e_score_correction_bias", "e_score_correction.bias")] = x
    return out


def make(source, path, scaling, part=0):
    config = json.loads((source / "config.json").read_text())
    rope = config.get("rope_parameters") or {"rope_theta": config["rope_theta"], **(config["rope_scaling"] or {})}
    kind = config["model_type"].removesuffix("_text")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    latent, experts = kind.startswith("deepseek"), config.get("n_routed_experts") or config.get("num_experts")
    experts, older = experts or config.get("num_local_experts"), source.name in OLDER
    arch = {"mixtral": "llama", "qwen3_moe": "qwen3moe"}.get(kind, "deepseek2" if latent else kind)
    w = GGUFWriter(path, arch, split_max_tensors=part)
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_block_count(config["num_hidden_layers"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(heads)
    if latent:
        add_latent(w, config, older)
    else:
        w.add_head_count_kv(kv_heads)
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(config["num_experts_per_tok"])
        if "moe_intermediate_size" in config:
            w.add_expert_feed_forward_length(config["moe_intermediate_size"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_rope_freq_base(rope["rope_theta"])
    if not latent:
        if head_dim * heads != config["hidden_size"]:
            w.add_key_length(head_dim)
            w.add_value_length(head_dim)
        w.add_rope_dimension_count(head_dim)
    if kind.startswith("gemma"):
        w.add_sliding_window(config["sliding_window"])
        for key, add in (("attn_logit_softcapping", w.add_attn_logit_softcapping),
                         ("final_logit_softcapping", w.add_final_logit_softcapping)):
            if config.get(key):
                add(config[key])
    if kind == "gemma3":
        w.add_uint32("gemma3.attention.sliding_window_pattern", config["sliding_window_pattern"])
        w.add_float32("gemma3.rope.freq_base_swa", config["rope_local_base_freq"])
    if scaling:
        w.add_rope_scaling_type(RopeScalingType.YARN if latent else RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    if scaling and latent:
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
    w.add_bos_token_id(config["bos_token_id"])
    w.add_eos_token_id(config["eos_token_id"])
    names = get_tensor_name_map(ARCHS[kind], config["num_hidden_layers"])
    for name, x in stacked(load_file(source / "model.safetensors"), config, older).items():
        if kind in ("llama", "smollm3", "mixtral") and (".q_proj." in name or ".k_proj." in name):
            x = permute(x, heads if ".q_proj." in name else kv_heads)
        if kind.startswith("gemma") and name.endswith("norm.weight"):
            x = x + 1
        w.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(x))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def byte_characters():
    """GPT-2's map of bytes to printable characters."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def make_tokenizer(path):
    w = GGUFWriter(path, "llama")
    merges = ["h e", "l l", "he ll", "\u0120 w"]
    tokens = ["<|end|>", "<|start|>", *byte_characters().values(), *(m.replace(" ", "") for m in merges)]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(tokens)
    w.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    w.add_token_merges(merges)
    w.add_bos_token_id(1)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    w.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    models = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/models")
    out = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/gguf")
    out.mkdir(parents=True, exist_ok=True)
    for model, has_scaling in (("llama_linear", True), ("llama_bias", False), ("qwen2_heads", False),
                               ("qwen3_plain", False), ("smollm3_plain", False), ("gemma2_plain", False),
                               ("gemma3_linear", True), ("mixtral_all", False), ("qwen3_moe_plain", False),
                               ("deepseek_v2_lite", True), ("deepseek_v3_further", True)):
        make(models / model, out / f"{model}.gguf", has_scaling)
    make(models / "mixtral_all", out / "parts.gguf", False, 6)
    make_tokenizer(out / "bytes.gguf")
