#!/usr/bin/env python3
"""openr1's tokenizers beside Hugging Face's and llama.cpp's: one thread, processor time, texts not seen before.

usage: tokenize_speed.py [--mb N] [--linear] [VOCABULARY...]     (N = 8; gpt2 qwen2.5 llama3)
Texts: `english`, the lines of ../shared/data (questions, solutions, reasoning) each once; `code`, the lines of Python's
own library each once; `words`, made of random syllables, so that hardly a word comes twice and no cache of pieces helps.
Every library encodes each text once, in documents of 4 KiB, in a fresh process, with nothing encoded before.
--linear: instead, seconds of ours for one and two MB of one character, and of letters without a space.
Peers: tokenizers encode and encode_batch with TOKENIZERS_PARALLELISM=false, llama-cpp-python with vocab_only from a GGUF
written here; the ids of all must be equal in number.
"""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(os.environ.get("OPENR1_SHARED", os.path.join(ROOT, "../shared")), "data")
OURS = os.path.join(os.environ.get("OPENR1_BUILD", os.path.join(ROOT, "build")), "openr1_tokenizers")
CODE = {"apps", "code_contests", "humaneval", "mbpp", "livecodebench", "taco_special_judge", "codeforces", "acecode_sample"}
PRE = {"gpt2": "gpt-2", "qwen2.5": "qwen2", "llama3": "llama-bpe"}
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def strings(v):
    for x in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
        yield from strings(x)
    if isinstance(v, str):
        yield from v.split("\n")


def english():
    for path in sorted(glob.glob(os.path.join(DATA, "*/*.jsonl"))):
        if os.path.basename(os.path.dirname(path)) not in CODE:
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f:
                    try:
                        yield from strings(json.loads(line))
                    except ValueError:
                        pass


def code():
    for path in sorted(glob.glob(os.path.join(sysconfig.get_path("stdlib"), "**/*.py"), recursive=True)):
        with open(path, encoding="utf-8", errors="replace") as f:
            yield from f.read().split("\n")


def words():
    r = random.Random(3)
    parts = [a + b + c for a in "b c d f g h j k l m n p qu r s t v w x z st tr pl sh th".split() for b in "aeiouy" for c in ("", "n", "r", "s")]
    while True:
        yield " ".join("".join(r.choice(parts) for _ in range(r.randrange(2, 5))) for _ in range(12))


def text_of(lines, limit):
    seen, out, n = set(), [], 0
    for line in lines:
        if line in seen:
            continue
        seen.add(line)
        out.append(line)
        n += len(line.encode("utf-8", "replace")) + 1
        if n >= limit:
            break
    return "\n".join(out) + "\n"


def documents(text, size=4096):
    data, at, out = text.encode("utf-8", "replace"), 0, []
    while at < len(data):
        stop = data.find(b"\n", at + size) + 1 if at + size < len(data) else len(data)
        out.append(data[at:stop or len(data)].decode("utf-8", "replace"))
        at = stop or len(data)
    return out


def library(vocabulary):
    from transformers import AutoTokenizer, GPT2Tokenizer
    cls = GPT2Tokenizer if vocabulary == "gpt2" else AutoTokenizer
    return cls.from_pretrained(os.path.join(DATA, "vocab", vocabulary))._tokenizer


def write_gguf(vocabulary, path):
    import gguf
    tk = json.loads(library(vocabulary).to_str())
    added = {t["content"]: t["id"] for t in tk["added_tokens"]}
    ids = {**tk["model"]["vocab"], **added}
    tokens = [t for t, _ in sorted(ids.items(), key=lambda x: x[1])]
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(PRE[vocabulary])
    w.add_token_list(tokens)
    w.add_token_types([3 if t in added else 1 for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tk["model"]["merges"]])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def timed(f):
    start = time.process_time()
    n = f()
    return time.process_time() - start, n


def peer(kind, vocabulary, path):
    """In a process of its own: seconds and number of ids."""
    with open(path, encoding="utf-8") as f:
        docs = documents(f.read())
    if kind == "llama.cpp":
        import llama_cpp
        with tempfile.TemporaryDirectory() as folder:
            write_gguf(vocabulary, folder + "/v.gguf")
            m = llama_cpp.Llama(folder + "/v.gguf", vocab_only=True, verbose=False)
        raw = [d.encode() for d in docs]
        return timed(lambda: sum(len(m.tokenize(d, add_bos=False, special=False)) for d in raw))
    tk = library(vocabulary)
    if kind == "encode":
        return timed(lambda: sum(len(tk.encode(d, add_special_tokens=False).ids) for d in docs))
    return timed(lambda: sum(len(e.ids) for e in tk.encode_batch(docs, add_special_tokens=False)))


def ours(vocabulary, path, size="4096"):
    folder = os.path.join(DATA, "vocab", vocabulary)
    r = json.loads(subprocess.run([OURS, folder, path, size], check=True, capture_output=True).stdout)
    return r["seconds"], r["ids"]


def compare(vocabularies, folder, limit):
    print("%-10s %-8s %10s %10s %14s %10s %8s %8s" % ("vocabulary", "text", "ours MB/s", "hf encode", "hf batch", "llama.cpp", "/ hf", "/ l.cpp"))
    for name, lines in (("english", english()), ("code", code()), ("words", words())):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text_of(lines, limit).encode("utf-8", "replace").decode())
        size = os.path.getsize(path)
        for v in vocabularies:
            rows = [ours(v, path)]
            for kind in ("encode", "batch", "llama.cpp"):
                out = subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", kind, v, path], capture_output=True, text=True)
                rows.append(json.loads(out.stdout.split("\n")[-2]) if out.returncode == 0 else [float("nan"), None])
            speed = [size / s / 1e6 for s, _ in rows]
            assert len({n for _, n in rows if n}) == 1, rows
            print("%-10s %-8s %10.1f %10.2f %14.2f %10.2f %8.1f %8.1f" % (v, name, *speed, speed[0] / max(speed[1:3]), speed[0] / speed[3]), flush=True)


def linear(vocabularies, folder):
    r = random.Random(1)
    kinds = {"a": "a", "space": " ", "digit": "7", "newline": "\n", "CJK": "中", "emoji": "👍", "letters": None}
    print("%-10s %-8s %10s %10s" % ("vocabulary", "text", "1 MB, s", "2 MB, s"))
    for v in vocabularies:
        for name, unit in kinds.items():
            seconds = []
            for mb in (1, 2):
                path = os.path.join(folder, "x")
                with open(path, "w", encoding="utf-8") as f:
                    f.write("".join(r.choices("abcdefghijklmnopqrstuvwxyz", k=mb * 1000000)) if unit is None else unit * (mb * 1000000 // len(unit.encode())))
                seconds.append(ours(v, path, "0")[0])
            print("%-10s %-8s %10.3f %10.3f" % (v, name, *seconds), flush=True)


def main():
    if sys.argv[1:2] == ["--peer"]:
        print(json.dumps(peer(*sys.argv[2:])))
        return
    p = argparse.ArgumentParser()
    p.add_argument("--mb", type=float, default=8)
    p.add_argument("--linear", action="store_true")
    p.add_argument("vocabulary", nargs="*", default=["gpt2", "qwen2.5", "llama3"])
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if a.linear:
            linear(a.vocabulary, folder)
        else:
            compare(a.vocabulary, folder, a.mb * 1e6)


main()
