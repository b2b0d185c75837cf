"""Random mixtures wide enough for blocks of 256 numbers, with a tokenizer, by transformers.

gguf_wide.py OUT: folders mixtral, qwen3_moe, deepseek_v3, deepseek_v2 and, dense beside them, gemma3. For
tests/e2e/gguf_peer.sh, which writes them as GGUF for llama.cpp. Every row passes every expert: llama.cpp rounds
activations, and a choice between two experts that are nearly alike would fall otherwise. DeepSeek-V2 has 27 layers,
since llama.cpp takes that number for the sign that there is no q_lora_rank. Run with torch 2.13.0, transformers
5.23.0: python -P (tokenizers.py beside it is not the package of that name).
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import (DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM,
                          Gemma3ForCausalLM, Gemma3TextConfig, MixtralConfig, MixtralForCausalLM, Qwen3MoeConfig,
                          Qwen3MoeForCausalLM)

TOKENIZER = Path(__file__).parents[2] / "tests/golden/tokenizers/small-llama3.json"
COMMON = dict(vocab_size=2002, hidden_size=256, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
              initializer_range=0.08, bos_token_id=2000, eos_token_id=2001, pad_token_id=None,
              tie_word_embeddings=False)
LATENT = dict(num_key_value_heads=4, kv_lora_rank=256, qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=64,
              moe_intermediate_size=256, first_k_dense_replace=1, n_routed_experts=6, num_experts_per_tok=6,
              n_shared_experts=1, max_position_embeddings=1280, rope_theta=10000.0,
              rope_scaling=dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=32, mscale=0.707,
                                mscale_all_dim=0.707))
MODELS = {
    "mixtral": (MixtralConfig, MixtralForCausalLM, dict(num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=4)),
    "qwen3_moe": (Qwen3MoeConfig, Qwen3MoeForCausalLM, dict(
        num_key_value_heads=2, head_dim=64, num_experts=5, num_experts_per_tok=5, moe_intermediate_size=256,
        norm_topk_prob=True)),
    "deepseek_v3": (DeepseekV3Config, DeepseekV3ForCausalLM, dict(LATENT, q_lora_rank=256, n_group=1, topk_group=1)),
    "deepseek_v2": (DeepseekV2Config, DeepseekV2ForCausalLM, dict(
        LATENT, q_lora_rank=None, num_hidden_layers=27, topk_method="greedy", n_group=1, topk_group=1)),
    "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM, dict(
        num_key_value_heads=2, head_dim=64, query_pre_attn_scalar=64, sliding_window=16, num_hidden_layers=7)),
}


def main(out):
    for number, (name, (config, model, sizes)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        made = model(config(**(COMMON | sizes))).float()
        made.save_pretrained(out / name)
        (out / name / "generation_config.json").unlink(missing_ok=True)
        shutil.copy(TOKENIZER, out / name / "tokenizer.json")


main(Path(sys.argv[1]))
