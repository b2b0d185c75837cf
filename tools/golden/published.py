"""Published models by their configuration alone: names and shapes of every tensor, by transformers.

Writes tests/golden/published.jsonl: {"name", "config", "parameters", "tensors"}, where config is what the model's
config.json says of its architecture, and tensors is the SHA-256 of lines "NAME [SHAPE]\n" sorted by name, of a
model that transformers builds without memory (device "meta"), without tied copies.

Made with torch 2.13.0, transformers 5.23.0. Run: python -P tools/golden/published.py [OUT]
(-P: tokenizers.py beside it is not the package of that name)
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

sys.path.append(str(Path(__file__).parent))
from models import checkpoint_names  # noqa: E402

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192, "rope_type": "llama3"}


def sizes(kind, vocab, hidden, layers, heads, kv, intermediate, positions, tied, **more):
    return {"model_type": kind, "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv, "intermediate_size": intermediate,
            "max_position_embeddings": positions, "tie_word_embeddings": tied, "torch_dtype": "bfloat16", **more}


def qwen2(*numbers, **more):
    return sizes("qwen2", *numbers, hidden_act="silu", attention_dropout=0.0, use_sliding_window=False, **more)


def qwen3(*numbers, **more):
    return sizes("qwen3", *numbers, head_dim=128, hidden_act="silu", attention_bias=False, max_window_layers=36,
                 rms_norm_eps=1e-6, rope_scaling=None, rope_theta=1000000, sliding_window=None,
                 use_sliding_window=False, **more)


def llama(*numbers, **more):
    return sizes("llama", *numbers, hidden_act="silu", attention_bias=False, mlp_bias=False, pretraining_tp=1,
                 rms_norm_eps=1e-5, **more)


def gemma(kind, *numbers, **more):
    return sizes(kind, *numbers, hidden_activation="gelu_pytorch_tanh", attention_bias=False, rms_norm_eps=1e-6,
                 bos_token_id=2, eos_token_id=1, pad_token_id=0, **more)


MODELS = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": qwen2(
        151936, 1536, 28, 12, 2, 8960, 131072, False, rms_norm_eps=1e-6, rope_theta=10000, sliding_window=4096,
        max_window_layers=21, bos_token_id=151643, eos_token_id=151643),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": qwen2(
        152064, 3584, 28, 28, 4, 18944, 131072, False, rms_norm_eps=1e-6, rope_theta=10000, sliding_window=4096,
        max_window_layers=28, bos_token_id=151643, eos_token_id=151643),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": qwen2(
        152064, 5120, 64, 40, 8, 27648, 131072, False, rms_norm_eps=1e-5, rope_theta=1000000.0,
        sliding_window=131072, max_window_layers=64, bos_token_id=151643, eos_token_id=151643),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": llama(
        128256, 4096, 32, 32, 8, 14336, 131072, False, rope_theta=500000.0, rope_scaling=LLAMA3,
        bos_token_id=128000, eos_token_id=128001),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": llama(
        128256, 8192, 80, 64, 8, 28672, 131072, False, rope_theta=500000.0, rope_scaling=LLAMA3,
        bos_token_id=128000, eos_token_id=128001),
    "Qwen/Qwen2.5-0.5B": qwen2(
        151936, 896, 24, 14, 2, 4864, 32768, True, rms_norm_eps=1e-6, rope_theta=1000000.0, sliding_window=32768,
        max_window_layers=24, bos_token_id=151643, eos_token_id=151643),
    "Qwen/Qwen3-0.6B": qwen3(151936, 1024, 28, 16, 8, 3072, 40960, True),
    "Qwen/Qwen3-4B": qwen3(151936, 2560, 36, 32, 8, 9728, 40960, True),
    "Qwen/Qwen3-32B": qwen3(151936, 5120, 64, 64, 8, 25600, 40960, False),
    "meta-llama/Llama-3.2-1B": llama(
        128256, 2048, 16, 32, 8, 8192, 131072, True, head_dim=64, rope_theta=500000.0,
        rope_scaling=dict(LLAMA3, factor=32.0), bos_token_id=128000, eos_token_id=128001),
    "HuggingFaceTB/SmolLM2-135M": llama(
        49152, 576, 30, 9, 3, 1536, 8192, True, rope_theta=100000, rope_scaling=None, rope_interleaved=False),
    "HuggingFaceTB/SmolLM3-3B": sizes(
        "smollm3", 128256, 2048, 36, 16, 4, 11008, 65536, True, hidden_act="silu", attention_bias=False,
        mlp_bias=False, no_rope_layer_interval=4, no_rope_layers=[1, 1, 1, 0] * 9, pretraining_tp=2,
        rms_norm_eps=1e-6, rope_scaling=None, rope_theta=5000000.0, sliding_window=None,
        use_sliding_window=False, layer_types=["full_attention"] * 36),
    "mistralai/Mistral-7B-v0.1": sizes(
        "mistral", 32000, 4096, 32, 32, 8, 14336, 32768, False, hidden_act="silu", rms_norm_eps=1e-5,
        rope_theta=10000.0, sliding_window=4096, bos_token_id=1, eos_token_id=2),
    "mistralai/Mistral-Nemo-Base-2407": sizes(
        "mistral", 131072, 5120, 40, 32, 8, 14336, 131072, False, head_dim=128, hidden_act="silu",
        rms_norm_eps=1e-5, rope_theta=1000000.0, sliding_window=None, bos_token_id=1, eos_token_id=2),
    "mistralai/Mixtral-8x7B-v0.1": sizes(
        "mixtral", 32000, 4096, 32, 32, 8, 14336, 32768, False, hidden_act="silu", rms_norm_eps=1e-5,
        rope_theta=1000000.0, sliding_window=None, num_local_experts=8, num_experts_per_tok=2,
        output_router_logits=False, router_aux_loss_coef=0.02, bos_token_id=1, eos_token_id=2),
    "Qwen/Qwen3-30B-A3B": sizes(
        "qwen3_moe", 151936, 2048, 48, 32, 4, 6144, 40960, False, head_dim=128, hidden_act="silu",
        attention_bias=False, decoder_sparse_step=1, max_window_layers=48, mlp_only_layers=[],
        moe_intermediate_size=768, norm_topk_prob=True, num_experts=128, num_experts_per_tok=8,
        output_router_logits=False, rms_norm_eps=1e-6, rope_scaling=None, rope_theta=1000000.0,
        router_aux_loss_coef=0.001, sliding_window=None, use_sliding_window=False),
    "google/gemma-2-2b": gemma(
        "gemma2", 256000, 2304, 26, 8, 4, 9216, 8192, True, head_dim=256, hidden_act="gelu_pytorch_tanh",
        query_pre_attn_scalar=256, rope_theta=10000.0, sliding_window=4096, attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0),
    "google/gemma-3-1b-pt": gemma(
        "gemma3_text", 262144, 1152, 26, 4, 1, 6912, 32768, True, head_dim=256, query_pre_attn_scalar=256,
        attn_logit_softcapping=None, final_logit_softcapping=None, rope_theta=1000000, rope_local_base_freq=10000,
        rope_scaling=None, sliding_window=512, sliding_window_pattern=6),
}


def record(name, config):
    settings = {k: v for k, v in json.loads(json.dumps(config)).items() if k != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **settings))
    shapes = {n: list(x.shape) for name, p in model.named_parameters()
              for n, x in checkpoint_names(config["model_type"], name, p.data).items()}
    lines = "".join(f"{n} [{','.join(map(str, shapes[n]))}]\n" for n in sorted(shapes))
    return {"name": name, "config": config, "parameters": sum(p.numel() for p in model.parameters()),
            "tensors": hashlib.sha256(lines.encode()).hexdigest()}


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/published.jsonl")
    out.write_text("".join(json.dumps(record(*item)) + "\n" for item in MODELS.items()))
