"""Tiny random Llama and Qwen2 models with logits and every gradient, by PyTorch and transformers.

Writes tests/golden/models/NAME/: config.json, model.safetensors, ids.json (lists of token ids), and
expected.safetensors: logits.0, logits.1, ... of each list, loss (mean next-token loss over all lists) and
grad.WEIGHT for every weight. float32, eager attention, CPU. Weights are drawn large enough that logits are
of order one; shapes are odd on purpose (vocabularies and widths that fill no vector, one head for many).

Half of the models get the configuration keys of transformers 4 (rope_theta, rope_scaling, torch_dtype).

Made with torch 2.13.0, transformers 5.23.0, safetensors 0.8.0. Run: python tools/golden/models.py [OUT]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
# name: (class, older keys, theta, scaling, sizes)
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
}
CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}
LENGTHS = [70, 9, 1]


def draw(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_(1 + 0.2 * noise)
            elif p.ndim == 1:
                p.copy_(0.3 * noise)
            else:
                p.copy_(noise * (0.5 if "lm_head" in name else 1.0) / p.shape[1] ** 0.5)


def older_keys(path, theta, scaling):
    config = json.loads(path.read_text())
    config.pop("rope_parameters")
    config["rope_theta"] = theta
    config["rope_scaling"] = scaling
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name, folder, seed):
    kind, older, theta, scaling, sizes = MODELS[name]
    config_class, model_class = CLASSES[kind]
    rope = dict(scaling or {"rope_type": "default"}, rope_theta=theta)
    config = config_class(**sizes, rope_parameters=rope, max_position_embeddings=256, bos_token_id=1,
                          eos_token_id=2, pad_token_id=None, attn_implementation="eager")
    model = model_class(config).float().eval()
    draw(model, seed)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if older:
        older_keys(folder / "config.json", theta, scaling)

    generator = torch.Generator().manual_seed(seed + 1000)
    lists = [torch.randint(0, sizes["vocab_size"], (n,), generator=generator).tolist() for n in LENGTHS]
    expected, total, count = {}, 0.0, sum(n - 1 for n in LENGTHS)
    for i, ids in enumerate(lists):
        logits = model(torch.tensor([ids])).logits[0]
        expected[f"logits.{i}"] = logits.detach().clone()
        if len(ids) > 1:
            total = total + torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]),
                                                              reduction="sum")
    loss = total / count
    loss.backward()
    expected["loss"] = loss.detach().clone()
    for weight, p in model.named_parameters():
        expected[f"grad.{weight}"] = p.grad.clone()
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
