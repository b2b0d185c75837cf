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
BLOCKS = 6


def finite(halves):
    """Clear the highest exponent bit, so that no half is infinite or NaN."""
    return halves & np.uint16(0xBFFF)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20250101)
    for name, places in HALVES.items():
        kind = GGMLQuantizationType[name]
        _, size = GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
        for place in places:
            halves = blocks[:, place:place + 2].copy().view(np.uint16)
            halves = finite(halves)
            halves[0], halves[1] = 0, 0x8123
            blocks[:, place:place + 2] = halves.view(np.uint8)
        floats = dequantize(blocks, kind).astype("<f4")
        (out / f"{name}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name}.floats").write_bytes(floats.tobytes())
    for name in ("F16", "BF16"):
        words = finite(rng.integers(0, 65536, (1, 2100), dtype=np.uint16))
        floats = dequantize(words.view(np.uint8), GGMLQuantizationType[name]).astype("<f4")
        (out / f"{name}.blocks").write_bytes(words.tobytes())
        (out / f"{name}.floats").write_bytes(floats.tobytes())


main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/quants"))
