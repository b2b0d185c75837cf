"""Adapters made by PEFT on the tiny models of tests/golden/models, with logits and gradients by PyTorch.

Writes tests/golden/lora/NAME/: adapter_config.json and adapter_model.safetensors as PEFT saves them (the base
model is named as tests/golden/models/BASE), and expected.safetensors: logits.0, logits.1, ... of each list of
the base's ids.json, loss (mean next-token loss over all lists), grad.TENSOR for every tensor of the adapter,
and, where MERGED says so, merged.WEIGHT for every weight that merge_and_unload changes. float32, CPU.

Made with torch 2.13.0, transformers 5.23.0, peft 0.21.2. Run: python -P tools/golden/lora.py [OUT]
With --check OURS... it loads adapters that openr1 has written and prints the largest difference of a logit
from OURS/logits.safetensors, which openr1 made of the same ids.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

MODELS = Path("tests/golden/models")
LATENT = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]
# name: (base, arguments of LoraConfig)
ADAPTERS = {
    "llama_default": ("llama_plain", dict(r=4, lora_alpha=8)),
    "llama_rslora": ("llama_bias", dict(r=3, lora_alpha=4, target_modules="all-linear", use_rslora=True)),
    "llama_dora": ("llama_bias", dict(r=2, lora_alpha=3, target_modules=["o_proj", "down_proj", "k_proj"],
                                      use_dora=True)),
    "llama_patterns": ("llama_plain", dict(
        r=2, lora_alpha=4, use_rslora=True, target_modules=["q_proj", "k_proj", "up_proj"],
        rank_pattern={"0.self_attn.q_proj": 5, "self_attn.*": 3},
        alpha_pattern={r"^model\.layers\.0\..*": 7, "k_proj": 0.5, "layers.1.self_attn.k_proj": 9})),
    "qwen2_tied_head": ("qwen2_tied", dict(r=2, lora_alpha=4, target_modules="all-linear", use_dora=True,
                                           modules_to_save=["lm_head"])),
    "qwen2_saved": ("qwen2_plain", dict(r=5, lora_alpha=5, target_modules=["q_proj", "up_proj"],
                                        modules_to_save=["embed_tokens", "norm"])),
    "qwen2_ranks": ("qwen2_plain", dict(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"],
                                        rank_pattern={"layers.1.self_attn.q_proj": 5})),
    "mixtral_attention": ("mixtral_plain", dict(r=4, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj",
                                                                                   "o_proj"])),
    "deepseek_latent": ("deepseek_v3_plain", dict(r=3, lora_alpha=6, target_modules=LATENT)),
    "deepseek_dora": ("deepseek_v3_plain", dict(
        r=2, lora_alpha=2, use_dora=True, target_modules=r".*\.(kv_b|q_a)_proj")),
}
MERGED = ["llama_rslora", "llama_dora", "qwen2_tied_head", "deepseek_dora"]


def lists_of(base):
    ids = json.loads((MODELS / base / "ids.json").read_text())
    return ids if isinstance(ids[0], list) else [ids]


def forward(model, lists):
    logits = [model(torch.tensor([ids])).logits[0] for ids in lists]
    losses = [torch.nn.functional.cross_entropy(z[:-1], torch.tensor(ids[1:], dtype=torch.long), reduction="sum")
              for z, ids in zip(logits, lists)]
    return logits, sum(losses) / sum(len(ids) - 1 for ids in lists)


def load_base(base):
    return AutoModelForCausalLM.from_pretrained(MODELS / base, dtype=torch.float32, attn_implementation="eager",
                                                experts_implementation="eager")


def make(name, out):
    base, arguments = ADAPTERS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = get_peft_model(load_base(base), LoraConfig(task_type="CAUSAL_LM", **arguments))
    model.eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * (0.15 if parameter.dim() > 1 else 0.05))
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.peft_config["default"].base_model_name_or_path = str(MODELS / base)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    lists = lists_of(base)
    logits, loss = forward(model, lists)
    loss.backward()
    expected = {f"logits.{i}": z.detach().contiguous() for i, z in enumerate(logits)}
    expected["loss"] = loss.detach()
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    for key, tensor in get_peft_model_state_dict(model, state_dict=grads).items():
        expected[f"grad.{key}"] = tensor.contiguous()
    if name in MERGED:
        before = load_base(base).state_dict()
        for key, tensor in model.merge_and_unload().state_dict().items():
            if ".experts." not in key and (key == "lm_head.weight" or not torch.equal(tensor, before[key])):
                expected[f"merged.{key}"] = tensor.clone().contiguous()
    save_file(expected, folder / "expected.safetensors")
    return loss.item(), len(grads)


def check(folder):
    config = json.loads((folder / "adapter_config.json").read_text())
    base = Path(config["base_model_name_or_path"]).name
    model = PeftModel.from_pretrained(load_base(base), folder)
    model.eval()
    ours = load_file(folder.with_suffix(".logits.safetensors"))
    lists = lists_of(base)
    logits, _ = forward(model, lists)
    return max((logits[i] - ours[f"logits.{i}"]).abs().max().item() for i in range(len(lists)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        for path in sys.argv[2:]:
            print(path, check(Path(path)))
    else:
        target = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/lora")
        for adapter in ADAPTERS:
            print(adapter, *make(adapter, target))
