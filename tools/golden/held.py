"""Matrices in 4 and 8 bits and back, by bitsandbytes: what a frozen base of QLoRA is worth.

Writes tests/golden/held/expected.safetensors: for some weights of MODEL, NAME as float32 after decoding: under
"nf4.NAME", "fp4.NAME" and "nested.NAME" (nf4 with nested scales) by bitsandbytes, under "int8.NAME" by its
formula for rows (round(127 x / absmax)), whose function wants a GPU. CPU.

Made with torch 2.13.0, bitsandbytes 0.50.2. Run: python -P tools/golden/held.py [OUT]
"""

import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import load_file, save_file

MODEL = Path("tests/golden/models/deepseek_v3_plain")


def decoded(x, kind, nested=False):
    # As one row: the CPU's decoder takes rows that are no multiple of the block for whole blocks.
    codes, state = bnb.quantize_4bit(x.reshape(1, -1), blocksize=64, quant_type=kind, compress_statistics=nested)
    return bnb.dequantize_4bit(codes, state).reshape(x.shape).float()


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/held")
    out.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, x in load_file(MODEL / "model.safetensors").items():
        if "layers.1.self_attn" not in name or x.dim() != 2:
            continue
        tensors[f"nf4.{name}"] = decoded(x, "nf4")
        tensors[f"fp4.{name}"] = decoded(x, "fp4")
        tensors[f"nested.{name}"] = decoded(x, "nf4", True)
        scale = x.abs().amax(1, keepdim=True)
        tensors[f"int8.{name}"] = torch.round(x * (127 / scale)) * (scale / 127)
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / "expected.safetensors")
    print(len(tensors))
