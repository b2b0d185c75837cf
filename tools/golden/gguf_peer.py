"""A GGUF file of ours in llama.cpp: its logits and its greedy answer beside what `openr1` gave on the same file.

gguf_peer.py FILE.gguf IDS.json LOGITS.safetensors TOLERANCE [PROMPT TEXT.txt IDS_OF_PROMPT.json]
IDS.json is one list of token ids, LOGITS what `openr1 logits` made of it. llama.cpp rounds activations to
8 bits when weights are quantised, so the logits are only near: TOLERANCE bounds the mean difference over their
standard deviation, and the best token must be the same wherever ours leads by more than the largest
difference. With PROMPT: llama.cpp's tokenizer must give the ids that ours gave (IDS_OF_PROMPT), and its greedy
continuation the text that ours gave (TEXT.txt). Run with llama-cpp-python 0.3.
"""

import json
import sys
from pathlib import Path

import numpy as np
from llama_cpp import Llama
from safetensors.numpy import load_file


def compare_logits(model, ids, ours, tolerance):
    model.reset()
    model.eval(ids)
    theirs = np.array(model.scores[:len(ids)], dtype=np.float64)
    ours = ours.astype(np.float64)
    assert theirs.shape == ours.shape, (theirs.shape, ours.shape)
    theirs -= theirs.mean(axis=1, keepdims=True)
    ours -= ours.mean(axis=1, keepdims=True)
    off = np.abs(theirs - ours)
    mean, largest = off.mean() / ours.std(), off.max()
    print(f"mean difference {mean:.2e} of the standard deviation, largest {largest:.3g}")
    assert mean <= tolerance, mean
    top = np.sort(ours, axis=1)[:, -2:]
    clear = top[:, 1] - top[:, 0] > 2 * off.max(axis=1)
    assert (theirs.argmax(axis=1) == ours.argmax(axis=1))[clear].all()
    assert clear.sum() > 0, "no token leads clearly"


def compare_text(model, prompt, text, ids):
    assert model.tokenize(prompt.encode(), add_bos=True, special=True) == ids, (model.tokenize(prompt.encode()), ids)
    n = 12
    model.reset()
    answer = b""
    for token in model.generate(ids, temp=0.0):
        if token == model.token_eos() or n == 0:
            break
        answer += model.detokenize([token], prev_tokens=ids)
        ids = ids + [token]
        n -= 1
    assert answer.decode(errors="replace").strip() == text.strip(), (answer, text)
    print(f"the same answer: {answer.decode(errors='replace')!r}")


def main(path, ids, logits, tolerance, prompt=None, text=None, prompt_ids=None):
    model = Llama(path, n_ctx=128, n_batch=128, logits_all=True, type_k=0, type_v=0, n_threads=1, verbose=False)
    compare_logits(model, json.loads(Path(ids).read_text()), load_file(logits)["logits"], float(tolerance))
    if prompt:
        compare_text(model, prompt, Path(text).read_text(), json.loads(Path(prompt_ids).read_text())["ids"])


main(*sys.argv[1:])
