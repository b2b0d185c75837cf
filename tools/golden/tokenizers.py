#!/usr/bin/env python3
"""Writes tests/golden/tokenizers: texts, and what Hugging Face's tokenizers make of them.

  corpus.bin      12,000 texts: u32 length, bytes (not always UTF-8)
  NAME.json       small tokenizers, trained here: tokenizer.json files
  NAME.hash       one u32 a text: FNV-1a of the ids, of their text, and of their text without special tokens
  shared.hash/NAME  the same for every 40th line of ../shared/data/*/*.jsonl (at most 200 a file, 4,000 bytes each)
  explicit.jsonl  {"tokenizer", "hex", "ids"} for some texts, to see what differs when a hash does

Invalid bytes are replaced as by errors="replace" first. Tokenizers besides the small ones are in
../shared/data and in the SmolLM2 file that OPENR1_SMOLLM2 names. SentencePiece vocabularies have two witnesses: the
scores by definition (spm_encode below), and merges in the library; they must agree.
Pinned: tokenizers==0.23.3 transformers==5.23.0 gguf==0.10+. OPENR1_SHARED names another ../shared.
"""
import json
import os
import random
import struct
import sys
import unicodedata

sys.path.pop(0)  # this file is called like the library
import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers
from transformers import AutoTokenizer, GPT2Tokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "tests/golden/tokenizers")
DATA = os.path.join(os.environ.get("OPENR1_SHARED", os.path.join(ROOT, "../shared")), "data")
N_TEXTS, SHARED_STEP, SHARED_MAX, SHARED_BYTES, N_EXPLICIT = 12000, 40, 200, 4000, 40

# ---- texts ----------------------------------------------------------------------------------------------------------

WORDS = """the of and to a in is you that it he was for on are as with his they I at be this have from or one had by
word but not what all were we when your can said there use an each which she do how their if will up other about out
many then them these so some her would make like him into time has look two more write go see number no way could people
my than first water been call who oil its now find long down day did get come made may part Therefore suppose prove
integer triangle equation probability therefore hence solve answer because reasoning step maximum derivative function
whether neural language tokens alphabet Mississippi rhythm queue jazz quixotic bookkeeping naïve café résumé Zürich
façade coöperate São jalapeño smörgåsbord Ångström""".split()
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'LL", "'\u017f", "'x", "\u2019s", "'sS", "''"]
CODE = ["for (int i = 0; i < n; i++) {", "\treturn x->next ? x->next->value : NULL;", "def f(x, *args, **kw):",
        "    if x is not None and len(x) > 0:", "#include <stdio.h>", "print(f\"{a:>10.3f}\")", "}\n\n\n", "// NB: 3rd",
        "x = [i**2 for i in range(10) if i % 2 == 0]", "SELECT * FROM t WHERE id=42;", "<div class=\"a\">&nbsp;</div>",
        "\\frac{1}{2} + \\sqrt{x^2+y^2} \\leq \\boxed{17}", "$$\\int_0^1 f(x)\\,dx$$", "0xDEADBEEF ^ 0b1011", "a&&b||!c",
        "https://example.com/a/b?c=d&e=%20f#g", "{\"id\":1,\"text\":\"a\\nb\"}", "git commit -m 'fix'", "++i--;;"]
SCRIPTS = ["你好，世界！今天天气怎么样？", "我们需要证明这个定理。", "日本語のテキスト、カタカナとひらがな", "한국어 문장입니다. 안녕하세요",
           "مرحبا بالعالم، كيف حالك؟", "هٰذَا نَصٌّ مُشَكَّل", "नमस्ते दुनिया, यह हिन्दी है।", "क्षत्रिय ज्ञान श्री", "สวัสดีชาวโลก",
           "Привет, мир! Как дела?", "Γειά σου Κόσμε", "שלום עולם", "Xin chào thế giới", "Iñtërnâtiônàlizætiøn", "ǅ ǈ ﬁ ﬂ ß ẞ İ ı",
           "௧௨௩ ੧੨੩ ٣٤٥ Ⅷ ½ ² ㉈ 𝟘𝟙 𝐀𝛼", "𐐀𐐨 𓀀 𠀀𪛖 𞤀"]
EMOJI = ["👨‍👩‍👧‍👦", "👍🏽", "🏳️‍🌈", "🇫🇷🇩🇪", "🤷🏿‍♀️", "❤️", "1️⃣", "😀😃", "🧑‍🚀", "\u200d", "\ufe0f", "™️"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085",
          "\x0b", "\x0c", "\u180e", "\u200b", "\ufeff", "\u1680", " \t ", "        ", "\x1c"]
MARKED = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<s>", "</s>", "<unk>", "<0x0A>", "▁",
          "<|im_start", "|>", "<tool_call>", "<a>", " <b> ", "<c>", "wörd", "e\u0301x", "[INST]"]
OLD_NFC = ["\u0301", "\u0323", "\u0327", "\u1161", "\u11a8", "\u1100", "\u09be", "\u3099", "\u0345", "\u0338", "\U00011930",
           "\U00011935", "\u1abf", "\u08d3", "\U0001e130", "\u0344", "\u212b", "\u2126", "\uf900", "\u0958", "\u1e9b"]


def word(r):
    w = r.choice(WORDS)
    return w.upper() if r.random() < 0.05 else w.capitalize() if r.random() < 0.15 else w


def sentence(r, n):
    out = []
    for _ in range(n):
        w = word(r) + (r.choice(ENDINGS) if r.random() < 0.15 else "")
        out.append(w + (r.choice([",", ".", "!", "?", ";", ":", "...", ")", "\"", " (", "—"]) if r.random() < 0.2 else ""))
    return " ".join(out)


def number(r):
    return r.choice([lambda: str(r.randrange(10 ** r.randrange(1, 12))), lambda: "%.*f" % (r.randrange(6), r.random() * 1e4),
                     lambda: "%d,%03d,%03d" % tuple(r.randrange(1000) for _ in range(3)), lambda: "%de-%d" % (r.randrange(9), r.randrange(30)),
                     lambda: "20%02d-%02d-%02d" % (r.randrange(30), r.randrange(13), r.randrange(32)), lambda: "x%dy%d" % (r.randrange(99), r.randrange(9))])()


def scalar(r, top=0x110000):
    c = r.randrange(top)
    return chr(c if not 0xD800 <= c < 0xE000 else c - 0x800)


def piece(r):
    return r.choice([lambda: sentence(r, r.randrange(1, 12)), lambda: r.choice(CODE), lambda: number(r), lambda: r.choice(SCRIPTS),
                     lambda: r.choice(EMOJI), lambda: r.choice(SPACES), lambda: r.choice(MARKED), lambda: r.choice(ENDINGS),
                     lambda: unicodedata.normalize("NFD", r.choice(SCRIPTS + WORDS)),
                     lambda: r.choice("aé中0") + "".join(r.choice(OLD_NFC) for _ in range(r.randrange(1, 5)))])()


def texts(count=N_TEXTS, seed=20240229):
    """Deterministic, of all kinds; some are not UTF-8."""
    r = random.Random(seed)
    out = [b"", b" ", b"\n", b"'", b"\x00", b"\xff", b"\xe4\xb8", b"\xed\xa0\x80"]
    out += [chr(c).encode() for c in range(0x180)]
    while len(out) < count:
        kind = r.random()
        if kind < 0.35:
            s = sentence(r, r.randrange(3, 25)).encode()
        elif kind < 0.45:
            s = "\n".join("    " * r.randrange(3) + r.choice(CODE) for _ in range(r.randrange(1, 4))).encode()
        elif kind < 0.55:
            s = "".join(r.choice(SPACES) if r.random() < 0.6 else word(r) for _ in range(r.randrange(2, 14))).encode()
        elif kind < 0.60:
            s = (r.choice([" ", "a", "\n", "=", "0", "é", "中", "😀", "'", "\t "]) * r.randrange(1, 120) + word(r)).encode()
        elif kind < 0.68:
            s = "".join(scalar(r, r.choice([0x300, 0x3000, 0x20000, 0x110000])) for _ in range(r.randrange(1, 20))).encode()
        elif kind < 0.74:
            s = bytes(r.choice([r.randrange(256), 0xE2, 0x80, 0xF0, 0x41]) for _ in range(r.randrange(1, 30)))
        else:
            s = r.choice(["", " "]).join(piece(r) for _ in range(r.randrange(1, 6))).encode()
        out.append(s)
    return out


def shared_texts():
    out = []
    for d in sorted(os.listdir(DATA)):
        folder = os.path.join(DATA, d)
        if not os.path.isdir(folder):
            continue
        for f in sorted(x for x in os.listdir(folder) if x.endswith(".jsonl")):
            with open(os.path.join(folder, f), "rb") as h:
                lines = h.read().split(b"\n")
            out += [x[:SHARED_BYTES] for x in lines[::SHARED_STEP][:SHARED_MAX]]
    return out


# ---- tokenizers -----------------------------------------------------------------------------------------------------

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")


def small(name, pre, norm, vocab_size, added, post=None, ignore_merges=False):
    """A tokenizer trained on the texts, written to NAME.json, and read back from there."""
    tk = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tk.pre_tokenizer, tk.decoder = pre, decoders.ByteLevel()
    if norm:
        tk.normalizer = norm
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tk.train_from_iterator((t.decode("utf-8", "replace") for t in texts()[400:]), trainer)
    tk.add_tokens(added)
    if post:
        tk.post_processor = post(tk)
    path = os.path.join(OUT, name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(json.loads(tk.to_str()), f, ensure_ascii=False, separators=(",", ":"))
    return Tokenizer.from_file(path)


def bos_template(tk):
    return processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tk.token_to_id("<s>"))])


def small_tokenizers():
    byte, split, seq = pre_tokenizers.ByteLevel, pre_tokenizers.Split, pre_tokenizers.Sequence
    plain = [AddedToken("<s>", special=True, normalized=False), AddedToken("<think>", normalized=False)]
    flags = [AddedToken("<a>", lstrip=True), AddedToken("<b>", rstrip=True, normalized=False), AddedToken("<c>", single_word=True),
             AddedToken("the", single_word=True, normalized=False), AddedToken("w\u00f6rd"), AddedToken("e\u0301x"),
             AddedToken("<|im_start|>", special=True), AddedToken("<|im_start", normalized=False), AddedToken("\n\n", normalized=False)]
    return {
        "small-gpt2": small("small-gpt2", byte(add_prefix_space=True), None, 1200, flags),
        "small-llama3": small("small-llama3", seq([split(Regex(LLAMA3), "isolated"), byte(add_prefix_space=False, use_regex=False)]),
                              None, 2000, plain, bos_template, True),
        "small-digits": small("small-digits", seq([pre_tokenizers.Digits(False), byte(add_prefix_space=False)]), normalizers.NFC(),
                              800, flags + plain),
        "small-tekken": small("small-tekken", seq([split(Regex(TEKKEN), "removed", invert=True), byte(add_prefix_space=False, use_regex=False)]),
                              normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"[ \t]{9,}"), " ")]), 1000, flags),
    }


def gguf_fields(path):
    reader = gguf.GGUFReader(path)
    return {k: f.contents() for k, f in reader.fields.items() if k.startswith("tokenizer")}


def smollm2(path):
    g = gguf_fields(path)
    tokens = g["tokenizer.ggml.tokens"]
    tk = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in g["tokenizer.ggml.merges"]]))
    tk.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tk.decoder = decoders.ByteLevel()
    tk.add_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, g["tokenizer.ggml.token_type"]) if k == 3])
    return tk


def spm(tokens, scores, types):
    """Merges as transformers' converter makes them; bos in front."""
    ids = {t: i for i, t in enumerate(tokens)}
    normal = {t for t, k in zip(tokens, types) if k == 1}
    merges = [(-scores[ids[t]], ids[t[:k]], ids[t[k:]], (t[:k], t[k:]))
              for t in normal for k in range(1, len(t)) if t[:k] in normal and t[k:] in normal]
    tk = Tokenizer(models.BPE(ids, [m[3] for m in sorted(merges)], unk_token=tokens[0], fuse_unk=True, byte_fallback=True))
    tk.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tk.add_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k in (2, 3)])
    tk.post_processor = processors.TemplateProcessing(single=tokens[1] + " $A", special_tokens=[(tokens[1], 1)])
    check_spm(tk, tokens, scores, normal)
    return tk


def spm_encode(text, ids, scores, normal):
    """SentencePiece's BPE by definition: join the adjacent pair with the best score until none is a token."""
    if not text:
        return []
    sym = list("▁" + text.replace(" ", "▁"))
    while True:
        best = [(-scores[ids[a + b]], i) for i, (a, b) in enumerate(zip(sym, sym[1:])) if a + b in normal]
        if not best:
            break
        i = min(best)[1]
        sym[i:i + 2] = [sym[i] + sym[i + 1]]
    return [x for s in sym for x in ([ids[s]] if s in normal else [ids["<0x%02X>" % b] for b in s.encode()])]


def check_spm(tk, tokens, scores, normal):
    ids = {t: i for i, t in enumerate(tokens)}
    for t in texts()[:2000]:
        s = t.decode("utf-8", "replace")
        if not any(m in s for m in ("<s>", "</s>", "<unk>")):
            assert tk.encode(s).ids == [1] + spm_encode(s, ids, scores, normal), s


def llama2c(path):
    tokens, scores = [], []
    with open(path, "rb") as f:
        b = f.read()
    at = 4
    while at < len(b):
        score, n = struct.unpack_from("<fi", b, at)
        tokens.append(b[at + 8:at + 8 + n].decode().replace(" ", "▁"))
        scores.append(score)
        at += 8 + n
    tokens[1:3] = ["<s>", "</s>"]
    return tokens, scores, [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)


def all_tokenizers():
    vocab = os.path.join(DATA, "vocab")
    out = small_tokenizers()
    out["gpt2"] = GPT2Tokenizer.from_pretrained(os.path.join(vocab, "gpt2"))._tokenizer
    for name in ("qwen2.5", "minimind", "torchtitan_test"):
        out[name] = AutoTokenizer.from_pretrained(os.path.join(vocab, name))._tokenizer
    out["smollm2"] = smollm2(os.environ["OPENR1_SMOLLM2"])
    out["stories260K"] = spm(*llama2c(os.path.join(DATA, "models/stories260K/tok512.bin")))
    g = gguf_fields(os.path.join(vocab, "llama.cpp/ggml-vocab-llama-spm.gguf"))
    out["llama-spm"] = spm(g["tokenizer.ggml.tokens"], g["tokenizer.ggml.scores"], g["tokenizer.ggml.token_type"])
    return out


# ---- what they give -------------------------------------------------------------------------------------------------


def fnv(data, h=2166136261):
    for b in data:
        h = (h ^ b) * 16777619 & 0xFFFFFFFF
    return h


def text_hash(tk, text):
    ids = tk.encode(text.decode("utf-8", "replace")).ids
    h = fnv(struct.pack("<%di" % len(ids), *ids))
    h = fnv(tk.decode(ids, skip_special_tokens=False).encode(), h)
    return fnv(tk.decode(ids, skip_special_tokens=True).encode(), h)


def main():
    os.makedirs(os.path.join(OUT, "shared.hash"), exist_ok=True)
    corpus, shared = texts(), shared_texts()
    with open(os.path.join(OUT, "corpus.bin"), "wb") as f:
        for t in corpus:
            f.write(struct.pack("<I", len(t)) + t)
    r = random.Random(1)
    with open(os.path.join(OUT, "explicit.jsonl"), "w") as explicit:
        for name, tk in all_tokenizers().items():
            for path, lines in ((name + ".hash", corpus), ("shared.hash/" + name, shared)):
                with open(os.path.join(OUT, path), "wb") as f:
                    f.write(b"".join(struct.pack("<I", text_hash(tk, t)) for t in lines))
            for t in r.sample([t for t in corpus if len(t) < 200], N_EXPLICIT):
                row = {"tokenizer": name, "hex": t.hex(), "ids": tk.encode(t.decode("utf-8", "replace")).ids}
                explicit.write(json.dumps(row, separators=(",", ":")) + "\n")
            print(name, len(corpus), len(shared))


if __name__ == "__main__":
    main()
