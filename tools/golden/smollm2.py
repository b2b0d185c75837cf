"""Logits of SmolLM2-135M-Instruct by transformers on the dequantised weights of its GGUF file.

1. `openr1 convert --model SmolLM2-135M-Instruct.Q4_1.gguf --out FOLDER --dtype float32`
2. python tools/golden/smollm2.py GGUF FOLDER [OUT]

Every weight of FOLDER is first compared, bit for bit, with what gguf-py dequantises from GGUF (q and k rows put
back by numpy), so the reference does not rest on this program's reader. Then transformers runs FOLDER in
float32 with eager attention. Writes tests/golden/smollm2/: ids.json (five prompts, tokenized by llama.cpp), and
logits.safetensors: for each prompt i and each position the 64 largest logits (top.i and, as float32,
top_ids.i) and 64 others at fixed places (some.i at some_ids).

Made with torch 2.13.0, transformers 5.23.0, gguf 0.19.0, llama-cpp-python 0.3.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from llama_cpp import Llama
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "1, 1, 2, 3, 5, 8, 13, 21,",
]
PARTS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def hf_name(name):
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.weight"


def check_weights(gguf_path, weights):
    reader = GGUFReader(gguf_path)
    heads = {"attn_q": 9, "attn_k": 3}
    for t in reader.tensors:
        x = dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)])
        part = t.name.split(".")[2] if t.name.startswith("blk.") else ""
        if part in heads:
            x = x.reshape(heads[part], 32, 2, -1).swapaxes(1, 2).reshape(x.shape)
        mine = weights.pop(hf_name(t.name)).numpy()
        assert np.array_equal(mine.view(np.uint32), np.ascontiguousarray(x, np.float32).view(np.uint32)), t.name
    assert not weights, list(weights)


def main(gguf_path, folder, out):
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    check_weights(gguf_path, load_file(f"{folder}/model.safetensors"))
    print("weights equal")
    tokenizer = Llama(gguf_path, vocab_only=True, verbose=False)
    lists = [tokenizer.tokenize(p.encode(), add_bos=False, special=True) for p in PROMPTS]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    some = torch.randperm(model.config.vocab_size, generator=torch.Generator().manual_seed(0))[:64]
    tensors = {"some_ids": some.float()}
    with torch.no_grad():
        for i, ids in enumerate(lists):
            logits = model(torch.tensor([ids])).logits[0]
            top, top_ids = logits.topk(64, dim=-1)
            tensors[f"top.{i}"], tensors[f"top_ids.{i}"] = top.contiguous(), top_ids.float().contiguous()
            tensors[f"some.{i}"] = logits[:, some].contiguous()
            print(repr(PROMPTS[i]), len(ids), "then", repr(tokenizer.detokenize([int(top_ids[-1, 0])])))
    save_file(tensors, out / "logits.safetensors")
    (out / "ids.json").write_text(json.dumps(lists) + "\n")


main(sys.argv[1], sys.argv[2], Path(sys.argv[3] if len(sys.argv) > 3 else "tests/golden/smollm2"))
