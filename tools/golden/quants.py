"""Blocks of random bytes of every quantised type, and the floats gguf-py makes of them.

Writes tests/golden/quants/TYPE.blocks (raw) and TYPE.floats (float32): 6 blocks each. Scales are kept finite
(a random half may be NaN); one is zero, one subnormal. Float types get random bit patterns, finite too.

Made with gguf 0.19.0, numpy 2. Run: python tools/golden/quants.py [OUT]
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# where the halves stand in a block
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208]}
# added later, with a generator of their own so that the ones above stay as they are
MORE_HALVES = {"Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
BLOCKS = 6


def finite(halves):
    """Clear the highest exponent bit, so that no half is infinite or NaN."""
    return halves & np.uint16(0xBFFF)


def quantised(out, rng, halves_of):
    for name, places in halves_of.items():
        kind = GGMLQuantizationType[name]
        _, size = GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
        for place in places:
            halves = blocks[:, place:place + 2].copy().view(np.uint16)
            halves = finite(halves)
            halves[0], halves[1] = 0, 0x8123
            blocks[:, place:place + 2] = halves.view(np.uint8)
        if name == "MXFP4":
            blocks[:, 0] = [0, 1, 2, 127, 128, 250]
        floats = dequantize(blocks, kind).astype("<f4")
        (out / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name}.floats").write_bytes(floats.tobytes())


def q8_k(out, rng):
    """A type of llama.cpp's intermediate results, which gguf-py has no decoder for: float d, 256 int8, sums."""
    d = rng.normal(size=(BLOCKS, 1)).astype("<f4")
    q = rng.integers(-128, 128, (BLOCKS, 256), dtype=np.int8)
    sums = q.reshape(BLOCKS, 16, 16).sum(axis=2, dtype=np.int16).astype("<i2")
    blocks = np.concatenate([d.view(np.uint8), q.view(np.uint8), sums.view(np.uint8)], axis=1)
    (out / "Q8_K.blocks").write_bytes(blocks.tobytes())
    (out / "Q8_K.floats").write_bytes((d * q.astype(np.float32)).astype("<f4").tobytes())


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20250101)
    quantised(out, rng, HALVES)
    for name in ("F16", "BF16"):
        words = finite(rng.integers(0, 65536, (1, 2100), dtype=np.uint16))
        floats = dequantize(words.view(np.uint8), GGMLQuantizationType[name]).astype("<f4")
        (out / f"{name}.blocks").write_bytes(words.tobytes())
        (out / f"{name}.floats").write_bytes(floats.tobytes())
    rng = np.random.default_rng(20250102)
    quantised(out, rng, MORE_HALVES)
    q8_k(out, rng)


main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/quants"))
