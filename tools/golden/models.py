"""Tiny random models of every dense architecture with logits and every gradient, by PyTorch and transformers.

Writes tests/golden/models/NAME/: config.json, model.safetensors, ids.json (lists of token ids), and
expected.safetensors: logits.0, logits.1, ... of each list, loss (mean next-token loss over all lists) and
grad.WEIGHT for every weight. float32, eager attention, CPU. Weights are drawn large enough that logits are
of order one; shapes are odd on purpose (vocabularies and widths that fill no vector, one head for many).

Half of the models get the configuration keys of transformers 4 (rope_theta, rope_scaling, torch_dtype), and
each is read again by transformers, to the same logits.

Made with torch 2.13.0, transformers 5.23.0, safetensors 0.8.0. Run: python -P
tools/golden/models.py [OUT] (-P: tokenizers.py beside it is not the package of that name)
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM, MistralConfig, MistralForCausalLM, MixtralConfig, MixtralForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig,
                          Qwen3MoeForCausalLM, SmolLM3Config, SmolLM3ForCausalLM)

CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
           "qwen3": (Qwen3Config, Qwen3ForCausalLM), "mistral": (MistralConfig, MistralForCausalLM),
           "smollm3": (SmolLM3Config, SmolLM3ForCausalLM), "gemma2": (Gemma2Config, Gemma2ForCausalLM),
           "mixtral": (MixtralConfig, MixtralForCausalLM),
           "qwen3_moe": (Qwen3MoeConfig, Qwen3MoeForCausalLM), "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM)}
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
SLIDING, FULL = "sliding_attention", "full_attention"
# name: (class, older keys, theta, scaling, sizes). Gemma 3's theta is that of layers with full attention, its
# local theta is 100. The sequences are longer than every window and than two blocks of keys.
MODELS = {
    "llama_plain": ("llama", True, 10000.0, None, dict(
        vocab_size=97, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=40, tie_word_embeddings=False, rms_norm_eps=1e-5)),
    "llama_tied": ("llama", False, 500000.0, None, dict(
        vocab_size=64, hidden_size=20, num_hidden_layers=1, num_attention_heads=5, num_key_value_heads=5,
        intermediate_size=264, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    "llama_bias": ("llama", False, 500.0, LLAMA3, dict(
        vocab_size=101, hidden_size=30, head_dim=16, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=1, intermediate_size=37, tie_word_embeddings=False, rms_norm_eps=1e-5,
        attention_bias=True, mlp_bias=True)),
    "llama_linear": ("llama", True, 10000.0, dict(rope_type="linear", factor=4.0), dict(
        vocab_size=33, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=17, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "qwen2_plain": ("qwen2", True, 1000000.0, None, dict(
        vocab_size=151, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=50, tie_word_embeddings=False, rms_norm_eps=1e-6)),
    "qwen2_tied": ("qwen2", False, 10000.0, None, dict(
        vocab_size=75, hidden_size=42, num_hidden_layers=2, num_attention_heads=7, num_key_value_heads=1,
        intermediate_size=65, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "qwen2_heads": ("qwen2", False, 10000.0, None, dict(
        vocab_size=19, hidden_size=12, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=3,
        head_dim=34, intermediate_size=300, tie_word_embeddings=False, rms_norm_eps=1e-6)),
    "llama_yarn": ("llama", False, 10000.0, dict(YARN, beta_fast=6.0, mscale=0.8, mscale_all_dim=1.5), dict(
        vocab_size=29, hidden_size=18, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=1,
        head_dim=20, intermediate_size=21, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "qwen2_window": ("qwen2", False, 10000.0, None, dict(
        vocab_size=37, hidden_size=20, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=27, tie_word_embeddings=False, rms_norm_eps=1e-6, use_sliding_window=True,
        sliding_window=11, max_window_layers=1)),
    "qwen2_yarn": ("qwen2", True, 100000.0, dict(YARN), dict(
        vocab_size=31, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=19, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    "qwen3_plain": ("qwen3", True, 1000000.0, None, dict(
        vocab_size=53, hidden_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=33, tie_word_embeddings=False, rms_norm_eps=1e-6)),
    "qwen3_tied": ("qwen3", False, 10000.0, dict(YARN, attention_factor=1.3, truncate=False), dict(
        vocab_size=35, hidden_size=22, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
        head_dim=18, intermediate_size=25, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "qwen3_window": ("qwen3", False, 10000.0, None, dict(
        vocab_size=23, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
        head_dim=10, intermediate_size=20, tie_word_embeddings=True, rms_norm_eps=1e-6, attention_bias=True,
        use_sliding_window=True, sliding_window=33, layer_types=[SLIDING, FULL, SLIDING])),
    "mistral_window": ("mistral", True, 10000.0, None, dict(
        vocab_size=41, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=30, tie_word_embeddings=False, rms_norm_eps=1e-5, sliding_window=8)),
    "mistral_wide": ("mistral", False, 1000000.0, None, dict(
        vocab_size=33, hidden_size=20, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
        head_dim=14, intermediate_size=31, tie_word_embeddings=False, rms_norm_eps=1e-5, sliding_window=None)),
    "mistral_tied": ("mistral", False, 10000.0, dict(rope_type="dynamic", factor=2.0), dict(
        vocab_size=27, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3,
        intermediate_size=35, tie_word_embeddings=True, rms_norm_eps=1e-6, sliding_window=37)),
    "smollm3_plain": ("smollm3", False, 2000000.0, None, dict(
        vocab_size=39, hidden_size=24, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=1,
        intermediate_size=26, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    "smollm3_list": ("smollm3", True, 10000.0, None, dict(
        vocab_size=43, hidden_size=20, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=23, tie_word_embeddings=False, rms_norm_eps=1e-5, attention_bias=True, mlp_bias=True,
        no_rope_layers=[0, 1, 0])),
    "smollm3_window": ("smollm3", False, 10000.0, dict(LLAMA3), dict(
        vocab_size=25, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=22, tie_word_embeddings=True, rms_norm_eps=1e-6, no_rope_layer_interval=2,
        use_sliding_window=True, sliding_window=19)),
    "gemma2_plain": ("gemma2", False, 10000.0, None, dict(
        vocab_size=45, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=10, intermediate_size=28, rms_norm_eps=1e-6, query_pre_attn_scalar=10, sliding_window=16,
        attn_logit_softcapping=5.0, final_logit_softcapping=3.0)),
    "gemma2_uncapped": ("gemma2", True, 10000.0, None, dict(
        vocab_size=33, hidden_size=18, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
        head_dim=16, intermediate_size=37, rms_norm_eps=1e-5, query_pre_attn_scalar=16, sliding_window=40,
        attn_logit_softcapping=None, final_logit_softcapping=None, tie_word_embeddings=False)),
    "gemma2_layers": ("gemma2", False, 500.0, None, dict(
        vocab_size=21, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        head_dim=6, intermediate_size=20, rms_norm_eps=1e-6, query_pre_attn_scalar=24, sliding_window=5,
        attn_logit_softcapping=1.5, final_logit_softcapping=30.0, attention_bias=True,
        layer_types=[FULL, SLIDING])),
    "gemma3_plain": ("gemma3", False, 1000000.0, None, dict(
        vocab_size=38, hidden_size=20, num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1,
        head_dim=12, intermediate_size=17, rms_norm_eps=1e-6, query_pre_attn_scalar=9, sliding_window=13)),
    "gemma3_linear": ("gemma3", True, 10000.0, dict(rope_type="linear", factor=8.0), dict(
        vocab_size=31, hidden_size=15, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3,
        head_dim=8, intermediate_size=26, rms_norm_eps=1e-5, query_pre_attn_scalar=8, sliding_window=32,
        sliding_window_pattern=2)),
    "gemma3_layers": ("gemma3", False, 500.0, None, dict(
        vocab_size=27, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=6, intermediate_size=21, rms_norm_eps=1e-6, query_pre_attn_scalar=6, sliding_window=3,
        final_logit_softcapping=2.0, tie_word_embeddings=False, layer_types=[FULL, SLIDING])),
    "mixtral_plain": ("mixtral", True, 10000.0, None, dict(
        vocab_size=34, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=13, tie_word_embeddings=False, rms_norm_eps=1e-5, num_local_experts=5,
        num_experts_per_tok=2)),
    "mixtral_window": ("mixtral", False, 10000.0, None, dict(
        vocab_size=25, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=12, intermediate_size=10, tie_word_embeddings=True, rms_norm_eps=1e-5, num_local_experts=3,
        num_experts_per_tok=1, sliding_window=21)),
    "mixtral_all": ("mixtral", False, 1000000.0, None, dict(
        vocab_size=31, hidden_size=18, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=3,
        intermediate_size=17, tie_word_embeddings=False, rms_norm_eps=1e-6, num_local_experts=4,
        num_experts_per_tok=4)),
    "qwen3_moe_plain": ("qwen3_moe", True, 1000000.0, None, dict(
        vocab_size=36, hidden_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=22, tie_word_embeddings=False, rms_norm_eps=1e-6, num_experts=7,
        num_experts_per_tok=3, moe_intermediate_size=9, norm_topk_prob=True)),
    "qwen3_moe_mixed": ("qwen3_moe", False, 10000.0, None, dict(
        vocab_size=27, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1,
        head_dim=10, intermediate_size=19, tie_word_embeddings=True, rms_norm_eps=1e-6, num_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=6, decoder_sparse_step=2, mlp_only_layers=[3])),
    "qwen3_moe_window": ("qwen3_moe", False, 10000.0, None, dict(
        vocab_size=23, hidden_size=14, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        head_dim=6, intermediate_size=15, tie_word_embeddings=False, rms_norm_eps=1e-6, num_experts=8,
        num_experts_per_tok=1, moe_intermediate_size=11, use_sliding_window=True, sliding_window=30)),
}
LOCAL_THETA = 100.0


def checkpoint_names(kind, name, x):
    """Experts, which transformers stacks in memory, one by one under the names that files have."""
    if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        return {name.replace(".mlp.", ".block_sparse_moe.") if kind == "mixtral" else name: x}
    stem, _, part = name.rpartition(".")
    gate, up, down = ("w1", "w3", "w2") if kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    stem = stem.replace(".mlp.", ".block_sparse_moe.") if kind == "mixtral" else stem
    parts = {f"{stem}.{e}.{down}.weight": x[e] for e in range(len(x))}
    if part == "gate_up_proj":
        parts = {f"{stem}.{e}.{which}.weight": half for e in range(len(x))
                 for which, half in zip((gate, up), x[e].chunk(2))}
    return parts
LENGTHS = [70, 9, 1]


def draw(model, seed, norm):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_(norm + 0.2 * noise)
            elif p.ndim == 1:
                p.copy_(0.3 * noise)
            else:
                p.copy_(noise * (0.5 if "lm_head" in name else 1.0) / p.shape[-1] ** 0.5)


def older_keys(path, theta, scaling, sizes):
    config = json.loads(path.read_text())
    if "full_attention" in config.pop("rope_parameters"):
        config["rope_local_base_freq"] = LOCAL_THETA
    for key in ("layer_types", "no_rope_layers"):
        if key in config and key not in sizes:
            config.pop(key)
    if "sliding_window_pattern" in sizes:
        config["sliding_window_pattern"] = sizes["sliding_window_pattern"]
    config["rope_theta"] = theta
    config["rope_scaling"] = scaling
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name, folder, seed):
    kind, older, theta, scaling, sizes = MODELS[name]
    config_class, model_class = CLASSES[kind]
    rope = dict(scaling or {"rope_type": "default"}, rope_theta=theta)
    if kind == "gemma3":
        rope = {FULL: rope, SLIDING: {"rope_type": "default", "rope_theta": LOCAL_THETA}}
    config = config_class(**sizes, rope_parameters=rope, max_position_embeddings=256, bos_token_id=1,
                          eos_token_id=2, pad_token_id=None, attn_implementation="eager",
                          experts_implementation="eager")
    model = model_class(config).float().eval()
    draw(model, seed, 0 if kind.startswith("gemma") else 1)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if older:
        older_keys(folder / "config.json", theta, scaling, sizes)

    generator = torch.Generator().manual_seed(seed + 1000)
    lists = [torch.randint(0, sizes["vocab_size"], (n,), generator=generator).tolist() for n in LENGTHS]
    expected, total, count = {}, 0.0, sum(n - 1 for n in LENGTHS)
    for i, ids in enumerate(lists):
        logits = model(torch.tensor([ids])).logits[0]
        expected[f"logits.{i}"] = logits.detach().clone()
        if len(ids) > 1:
            total = total + torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]),
                                                              reduction="sum")
    again = model_class.from_pretrained(folder, attn_implementation="eager", experts_implementation="eager",
                                        dtype=torch.float32)
    assert torch.equal(again(torch.tensor([lists[0]])).logits[0], expected["logits.0"]), "config.json"
    loss = total / count
    loss.backward()
    expected["loss"] = loss.detach().clone()
    for weight, p in model.named_parameters():
        for stored, x in checkpoint_names(kind, weight, p.grad).items():
            expected[f"grad.{stored}"] = x.clone()
    save_file(expected, folder / "expected.safetensors")
    (folder / "ids.json").write_text(json.dumps(lists) + "\n")
    print(name, sum(p.numel() for p in model.parameters()), "parameters, loss", loss.item(),
          "largest logit", max(t.abs().max().item() for k, t in expected.items() if k.startswith("logits")))


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/models")
    torch.set_num_threads(1)
    for seed, model_name in enumerate(MODELS):
        directory = out / model_name
        directory.mkdir(parents=True, exist_ok=True)
        make(model_name, directory, seed)
