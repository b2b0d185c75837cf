"""A GGUF file of ours in llama.cpp: its logits and its greedy answer beside what `openr1` gave on the same file.

gguf_peer.py CASES: a folder of folders, each with model.gguf, ids.json (one list of token ids), logits (what `openr1
logits` made of it), tolerance, name. llama.cpp rounds activations to 8 bits when weights are quantised, so the logits
are only near: the tolerance bounds the mean difference over their standard deviation, and the best token must be the
same wherever ours leads by more than the largest difference. With prompt.json: llama.cpp's tokenizer must give the ids
that ours gave (tokens.json), and its greedy continuation must be that of `openr1 generate` (answer.json), token by
token. Run with llama-cpp-python 0.3.
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


def compare_answer(model, prompt, answer, ids):
    assert model.tokenize(prompt.encode(), add_bos=True, special=True) == ids, (model.tokenize(prompt.encode()), ids)
    model.reset()
    for token, ours in zip(model.generate(ids, temp=0.0), answer):
        assert token == ours, (token, answer)
    print(f"the same answer: {model.detokenize(answer, prev_tokens=ids).decode(errors='replace')!r}")


def check(case):
    print((case / "name").read_text().strip(), flush=True)
    model = Llama(str(case / "model.gguf"), n_ctx=128, n_batch=128, logits_all=True, type_k=0, type_v=0, n_threads=1,
                  verbose=False)
    compare_logits(model, json.loads((case / "ids.json").read_text()), load_file(case / "logits")["logits"],
                   float((case / "tolerance").read_text()))
    if (case / "prompt.json").exists():
        prompt, answer, tokens = (json.loads((case / f"{name}.json").read_text())
                                  for name in ("prompt", "answer", "tokens"))
        compare_answer(model, prompt["prompt"], answer["completions"][0]["ids"], tokens["ids"])


for folder in sorted(Path(sys.argv[1]).iterdir()):
    check(folder)
