#!/usr/bin/env python3
"""Checks that transformers reads the folders of `openr1 init` as this program does: init_peer.py DIR NAME...

Of every DIR/NAME, DIR/NAME.texts.jsonl has texts {"id", "text"} (id is the text), DIR/NAME.ids.jsonl their ids as
`openr1 tokenize` gives them, DIR/ids.json lists of ids and DIR/NAME.safetensors the logits for them by `openr1 logits`.
"""
import json
import os
import sys

sys.path.pop(0)
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def check(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    tok = AutoTokenizer.from_pretrained(folder)
    assert len(tok) == config["vocab_size"], (folder, len(tok))
    assert tok.pad_token_id == config["pad_token_id"] and tok.eos_token_id == config["eos_token_id"], folder
    with open(folder + ".ids.jsonl") as f:
        rows = [json.loads(line) for line in f]
    assert rows
    for row in rows:
        assert tok(row["id"])["input_ids"] == row["ids"], (folder, row, tok(row["id"])["input_ids"])
        assert tok.decode(row["ids"]) == row["id"], (folder, row, tok.decode(row["ids"]))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                 experts_implementation="eager")
    with open(os.path.join(os.path.dirname(folder), "ids.json")) as f:
        lists = json.load(f)
    ours = load_file(folder + ".safetensors")
    worst = 0
    for i, ids in enumerate(lists):
        with torch.no_grad():
            theirs = model(torch.tensor([ids])).logits[0]
        worst = max(worst, (theirs - ours[f"logits.{i}"]).abs().max().item() / theirs.abs().max().item())
    assert worst < 1e-4, (folder, worst)
    print(os.path.basename(folder), type(tok).__name__, len(rows), "texts equal, logits within", worst)


for name in sys.argv[2:]:
    check(os.path.join(sys.argv[1], name))
