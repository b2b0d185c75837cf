#!/usr/bin/env python3
"""Checks that transformers reads what tokenizer_save wrote: tokenizer_saved.py FOLDER [INIT_FOLDER IDS.jsonl].

FOLDER/random-N and FOLDER/spm-N, which tests/text/test_tokenizer_random.c writes, must give the ids of random.jsonl.
FOLDER/saved-NAME are the folders that tests/text/test_tokenizers_golden.c writes; loaded with AutoTokenizer each must
give the hashes of tests/golden/tokenizers/NAME.hash. INIT_FOLDER is one of `openr1 init`, IDS.jsonl what `openr1
tokenize` gave with it for records {"id", "text"} where id is the text. Any transformers from 4.45 on with its tokenizers.
"""
import json
import os
import struct
import sys

sys.path.pop(0)
from transformers import AutoTokenizer

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/golden/tokenizers")
N_TEXTS = 3000


def fnv(data, h=2166136261):
    for b in data:
        h = (h ^ b) * 16777619 & 0xFFFFFFFF
    return h


def check_saved(folder, name):
    tok = AutoTokenizer.from_pretrained(os.path.join(folder, "saved-" + name))
    with open(os.path.join(GOLDEN, "corpus.bin"), "rb") as f:
        corpus = f.read()
    with open(os.path.join(GOLDEN, name + ".hash"), "rb") as f:
        hashes = f.read()
    at = 0
    for i in range(N_TEXTS):
        (n,) = struct.unpack_from("<I", corpus, at)
        text = corpus[at + 4:at + 4 + n].decode("utf-8", "replace")
        at += 4 + n
        ids = tok(text)["input_ids"]
        h = fnv(struct.pack("<%di" % len(ids), *ids))
        for skip in (False, True):
            h = fnv(tok.decode(ids, skip_special_tokens=skip).encode(), h)
        assert h == struct.unpack_from("<I", hashes, 4 * i)[0], (name, i, text, ids)
    print(name, "equal on", N_TEXTS, "texts")


def check_random(folder):
    from tokenizers import Tokenizer
    count = 0
    with open(os.path.join(GOLDEN, "random.jsonl"), encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            name = "%s-%d" % ("random" if "json" in row else "spm", row["number"])
            tk = Tokenizer.from_file(os.path.join(folder, name, "tokenizer.json"))
            for text, ids, *_ in row["cases"]:
                assert tk.encode(text).ids == ids, (name, text, ids, tk.encode(text).ids)
            count += 1
    print(count, "random tokenizers equal")


def check_init(folder, path):
    tok = AutoTokenizer.from_pretrained(folder)
    assert tok.eos_token == "<|end|>" and tok.chat_template == "{{ messages }}"
    with open(path) as f:
        for line in f:
            row = json.loads(line)
            assert tok(row["id"])["input_ids"] == row["ids"], row
            assert tok.decode(row["ids"]) == row["id"], row
    print("init equal")


def main():
    names = sorted(d[len("saved-"):] for d in os.listdir(sys.argv[1]) if d.startswith("saved-"))
    assert len(names) >= 4, names
    for name in names:
        check_saved(sys.argv[1], name)
    check_random(sys.argv[1])
    check_init(sys.argv[2], sys.argv[3])


main()
