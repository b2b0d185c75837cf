"""Tiny random DeepSeek-V2 and V3 models with logits and every gradient, by PyTorch and transformers.

Writes tests/golden/models/NAME/ as models.py does, experts under their names in checkpoints. The scores that
decide an expert or a group lie well apart, so that rounding cannot choose another one.

deepseek_v3_further has a layer behind the last (multi-token prediction), which transformers does not build;
the module here follows the V3 report and the order of the checkpoint. Its expected.safetensors holds further.0,
further.1, ... (logits of the module for each list, all rows but the last), balance (the balance loss summed
over mixtures and lists), loss = cross entropy + 0.3 further + 0.05 balance / lists, and its gradients.

Made with torch 2.13.0, transformers 5.23.0, safetensors 0.8.0. Run: python -P tools/golden/deepseek.py [OUT]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

YARN = dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=32, beta_fast=32, beta_slow=1)
MODELS = {
    "deepseek_v3_plain": ("v3", dict(YARN, mscale=1.0, mscale_all_dim=1.0), dict(
        vocab_size=97, hidden_size=32, num_hidden_layers=3, first_k_dense_replace=1, num_attention_heads=4,
        num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8,
        v_head_dim=8, n_routed_experts=8, n_group=4, topk_group=2, num_experts_per_tok=3,
        moe_intermediate_size=16, n_shared_experts=1, intermediate_size=40)),
    "deepseek_v3_whole_q": ("v3", None, dict(
        vocab_size=53, hidden_size=30, num_hidden_layers=2, first_k_dense_replace=1, num_attention_heads=3,
        num_key_value_heads=3, q_lora_rank=None, kv_lora_rank=17, qk_nope_head_dim=5, qk_rope_head_dim=6,
        v_head_dim=7, n_routed_experts=6, n_group=1, topk_group=1, num_experts_per_tok=2,
        moe_intermediate_size=11, n_shared_experts=2, intermediate_size=37, norm_topk_prob=False,
        routed_scaling_factor=1.5, rope_interleave=False)),
    "deepseek_v3_odd": ("v3", dict(YARN, mscale=0.707, mscale_all_dim=1.0, truncate=False), dict(
        vocab_size=64, hidden_size=36, num_hidden_layers=2, first_k_dense_replace=0, num_attention_heads=9,
        num_key_value_heads=9, q_lora_rank=13, kv_lora_rank=10, qk_nope_head_dim=3, qk_rope_head_dim=4,
        v_head_dim=11, n_routed_experts=10, n_group=2, topk_group=1, num_experts_per_tok=4,
        moe_intermediate_size=9, n_shared_experts=1, intermediate_size=20, tie_word_embeddings=True)),
    "deepseek_v2_lite": ("v2", dict(YARN, mscale=0.707, mscale_all_dim=0.707), dict(
        vocab_size=71, hidden_size=28, num_hidden_layers=2, first_k_dense_replace=1, num_attention_heads=4,
        num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4,
        v_head_dim=8, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=12,
        n_shared_experts=2, intermediate_size=33, topk_method="greedy", n_group=1, topk_group=1)),
    "deepseek_v2_groups": ("v2", None, dict(
        vocab_size=45, hidden_size=21, num_hidden_layers=2, first_k_dense_replace=0, num_attention_heads=3,
        num_key_value_heads=3, q_lora_rank=12, kv_lora_rank=10, qk_nope_head_dim=6, qk_rope_head_dim=2,
        v_head_dim=6, n_routed_experts=12, num_experts_per_tok=3, moe_intermediate_size=10,
        n_shared_experts=1, intermediate_size=20, topk_method="group_limited_greedy", n_group=4, topk_group=2,
        routed_scaling_factor=3.0)),
    "deepseek_v3_further": ("v3", dict(YARN, mscale=1.0, mscale_all_dim=1.0), dict(
        vocab_size=61, hidden_size=20, num_hidden_layers=2, first_k_dense_replace=1, num_attention_heads=2,
        num_key_value_heads=2, q_lora_rank=10, kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=4,
        v_head_dim=6, n_routed_experts=6, n_group=2, topk_group=1, num_experts_per_tok=2,
        moe_intermediate_size=8, n_shared_experts=1, intermediate_size=24)),
}
CLASSES = {"v3": (DeepseekV3Config, DeepseekV3ForCausalLM), "v2": (DeepseekV2Config, DeepseekV2ForCausalLM)}
LENGTHS = [70, 9, 1]
FURTHER, BALANCE = 0.3, 0.05
GAP = 2e-6


def draw(module, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in list(module.named_parameters()) + list(module.named_buffers()):
            if "inv_freq" in name:
                continue
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_(1 + 0.2 * noise)
            elif p.ndim == 1:
                p.copy_(0.4 * noise)
            else:
                p.copy_(noise * (0.5 if "lm_head" in name else 1.0) / p.shape[-1] ** 0.5)


def by_expert(tensors):
    """Fused experts under the names of checkpoints."""
    result = {}
    for name, t in tensors.items():
        if name.endswith("experts.gate_up_proj"):
            half = t.shape[1] // 2
            for e in range(t.shape[0]):
                base = name.replace("gate_up_proj", str(e))
                result[base + ".gate_proj.weight"] = t[e, :half].clone()
                result[base + ".up_proj.weight"] = t[e, half:].clone()
        elif name.endswith("experts.down_proj"):
            for e in range(t.shape[0]):
                result[name.replace("down_proj", f"{e}.down_proj.weight")] = t[e].clone()
        else:
            result[name] = t.clone()
    return result


def gates_of(*modules):
    return [m for module in modules for m in module.modules() if type(m).__name__.endswith("TopkRouter")]


def watch(gates, logits):
    """Collect every router's logits, and make sure that no choice hangs by a thread."""
    def hook(gate, inputs, outputs):
        z = outputs[0]
        logits.append(z)
        s = z.sigmoid() if isinstance(gate, v3.DeepseekV3TopkRouter) else z.softmax(-1)
        c = s + getattr(gate, "e_score_correction_bias", 0)
        for row in c.detach():
            assert row.sort()[0].diff().min() > GAP, "scores too close: another seed"
    for gate in gates:
        gate.register_forward_hook(hook)


def balance(z, k):
    """Sequence-wise balance loss of one sequence's logits (V3 report, equations 17-20)."""
    s = z.sigmoid()
    chosen = torch.zeros_like(s).scatter_(1, s.topk(k, dim=-1)[1], 1.0)
    f = chosen.mean(0) * s.shape[1] / k
    return (f.detach() * (s / s.sum(-1, keepdim=True)).mean(0)).sum()


class Further(torch.nn.Module):
    """The layer behind the last: g = eh_proj [enorm(Emb(next)); hnorm(h)], a decoder layer, a norm."""

    def __init__(self, config):
        super().__init__()
        self.enorm = v3.DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.hnorm = v3.DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.eh_proj = torch.nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.layer = v3.DeepseekV3DecoderLayer(config, config.num_hidden_layers)
        self.final_norm = v3.DeepseekV3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, model, hidden, following):
        e = model.get_input_embeddings()(following)
        g = self.eh_proj(torch.cat([self.enorm(e), self.hnorm(hidden)], dim=-1))
        positions = torch.arange(g.shape[1])[None]
        mask = torch.full((g.shape[1], g.shape[1]), float("-inf")).triu(1)[None, None]
        out = self.layer(g, attention_mask=mask, position_ids=positions,
                         position_embeddings=model.model.rotary_emb(g, position_ids=positions))
        return model.lm_head(self.final_norm(out[0] if isinstance(out, tuple) else out))

    def named(self, tensors, prefix):
        return {prefix + n.removeprefix("layer.").replace("final_norm", "shared_head.norm"): t
                for n, t in tensors.items()}


def cross_entropy(logits, targets):
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")


def make(name, folder, seed):
    kind, scaling, sizes = MODELS[name]
    config_class, model_class = CLASSES[kind]
    rope = dict(scaling or {"rope_type": "default"}, rope_theta=10000.0)
    more = {"num_mtp_layers": 0} if kind == "v3" else {}
    config = config_class(**sizes, **more, rope_parameters=rope, max_position_embeddings=1280, bos_token_id=1,
                          eos_token_id=2, pad_token_id=None, attn_implementation="eager")
    config._experts_implementation = "eager"
    model = model_class(config).float().eval()
    draw(model, seed)
    further = Further(config).float().eval() if name.endswith("further") else None
    if further:
        draw(further, seed + 500)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    router_logits = []
    watch(gates_of(model, *([further] if further else [])), router_logits)

    generator = torch.Generator().manual_seed(seed + 1000)
    lists = [torch.randint(0, sizes["vocab_size"], (n,), generator=generator).tolist() for n in LENGTHS]
    expected, main, beyond, uneven = {}, 0.0, 0.0, 0.0
    count, count_further = sum(n - 1 for n in LENGTHS), sum(max(n - 2, 0) for n in LENGTHS)
    for i, ids in enumerate(lists):
        router_logits.clear()
        out = model.model(torch.tensor([ids]))
        logits = model.lm_head(out.last_hidden_state)[0]
        expected[f"logits.{i}"] = logits.detach().clone()
        if len(ids) > 1:
            main = main + cross_entropy(logits[:-1], torch.tensor(ids[1:]))
        if further:
            following = torch.tensor([ids[1:] + ids[-1:]])
            ahead = further(model, out.last_hidden_state, following)[0]
            expected[f"further.{i}"] = ahead[:-1].detach().clone() if len(ids) > 1 else ahead.detach().clone()
            if len(ids) > 2:
                beyond = beyond + cross_entropy(ahead[:-2], torch.tensor(ids[2:]))
            uneven = uneven + sum(balance(z, sizes["num_experts_per_tok"]) for z in router_logits)
    loss = main / count
    if further:
        expected["balance"] = uneven.detach().clone()
        loss = loss + FURTHER * beyond / count_further + BALANCE * uneven / len(lists)
    loss.backward()
    expected["loss"] = loss.detach().clone()
    grads = {n: p.grad for n, p in model.named_parameters()}
    if further:
        prefix = f"model.layers.{sizes['num_hidden_layers']}."
        grads |= further.named({n: p.grad for n, p in further.named_parameters()}, prefix)
        tensors = load_file(folder / "model.safetensors")
        tensors |= by_expert(further.named({n: t.detach() for n, t in further.state_dict().items()}, prefix))
        tensors[prefix + "embed_tokens.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors[prefix + "shared_head.head.weight"] = tensors["lm_head.weight"].clone()
        save_file(tensors, folder / "model.safetensors")
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"num_nextn_predict_layers": 1}, indent=2) + "\n")
    expected |= {f"grad.{n}": t for n, t in by_expert(grads).items()}
    save_file(expected, folder / "expected.safetensors")
    (folder / "ids.json").write_text(json.dumps(lists) + "\n")
    print(name, "loss", loss.item(), "largest logit",
          max(t.abs().max().item() for k, t in expected.items() if k.startswith("logits")))


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/models")
    torch.set_num_threads(1)
    for number, model_name in enumerate(MODELS):
        directory = out / model_name
        directory.mkdir(parents=True, exist_ok=True)
        make(model_name, directory, 300 + number)
