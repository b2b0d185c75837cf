"""Numbers like weights, and what llama.cpp and gguf-py make of them when they quantise.

Writes tests/golden/quantise/input.f32 (24 rows of 256 float32: normal of several widths, with outliers, one
row zero, one constant, one all positive), TYPE.blocks (Q8_0, Q5_0: gguf-py's bytes, which are to be equalled)
and errors.json: for Q4_K and Q6_K the root mean square error of each row as llama.cpp's own library quantises
it, which must not be passed by much.

Made with gguf 0.19.0, llama-cpp-python's ggml 0.25. Run: python tools/golden/quantise.py [OUT]
"""

import ctypes
import json
import sys
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from gguf.quants import dequantize, quantize

ROWS = 24


def numbers():
    rng = np.random.default_rng(20250103)
    x = rng.normal(size=(ROWS, 256)).astype(np.float32)
    x *= np.float32(0.02) * 2.0 ** rng.integers(-3, 4, (ROWS, 1)).astype(np.float32)
    x[3, ::37] *= 12
    x[4] = rng.standard_t(3, 256) * 0.05
    x[5] = 0
    x[6] = 0.125
    x[7] = np.abs(x[7])
    x[8] = -np.abs(x[8])
    x[9, :64] = 0
    return np.ascontiguousarray(x, dtype="<f4")


def by_llama(library, x, kind):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(x.size // block * size, dtype=np.uint8)
    floats = ctypes.POINTER(ctypes.c_float)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk(ctypes.c_int(kind), x.ctypes.data_as(floats), out.ctypes.data_as(ctypes.c_void_p),
                                ctypes.c_int64(0), ctypes.c_int64(x.shape[0]), ctypes.c_int64(x.shape[1]), None)
    return dequantize(out.reshape(x.shape[0], -1), kind)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    x = numbers()
    (out / "input.f32").write_bytes(x.tobytes())
    for name in ("Q8_0", "Q5_0"):
        (out / f"{name}.blocks").write_bytes(quantize(x, gguf.GGMLQuantizationType[name]).tobytes())
    library = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    errors = {}
    for name in ("Q4_K", "Q6_K"):
        y = by_llama(library, x, gguf.GGMLQuantizationType[name])
        errors[name] = [float(e) for e in np.sqrt(np.mean((y.astype(np.float64) - x) ** 2, axis=1))]
    (out / "errors.json").write_text(json.dumps(errors, indent=1) + "\n")


main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/quantise"))
