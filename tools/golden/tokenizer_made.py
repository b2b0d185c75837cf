#!/usr/bin/env python3
"""Small tokenizers made on purpose, with texts, ids and decoded texts by Hugging Face's tokenizers.

usage: tokenizer_made.py    writes tests/golden/tokenizers/made.jsonl, rows as tokenizer_peer.py writes them to
                            random.jsonl; with "pre", GGUF's name of a family whose published expressions the row has

The families: their files' pre-tokenizers as published, over a byte-level vocabulary trained without any, so that
merges reach over every place where an expression cuts. The others: what a Metaspace that marks the start alone makes
of texts whose first character a normaliser changes, removes or splits; decoders that look at the first token; tokens
that are in a vocabulary twice. Pinned: tokenizers==0.23.3. Run: python -P (tokenizers.py beside it is not the package
of that name).
"""
import importlib.util
import json
import os
import random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("golden_tokenizers", os.path.join(HERE, "tokenizers.py"))
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)

DEEPSEEK_V3 = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
               r'''[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+'''
               r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
DEEPSEEK_CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"]
QWEN2 = golden.LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
FAMILIES = {"gpt-2": None, "smollm": None, "qwen2": [QWEN2], "llama-bpe": [golden.LLAMA3], "tekken": [golden.TEKKEN],
            "deepseek-v3": DEEPSEEK_V3, "deepseek-coder": DEEPSEEK_CODER}
TEXTS = ["I'LL say it'll be 1234567890 or 12,345.67...", "x=1+2*3;\n\n  return foo(bar)\r\n\t#end", "  two  spaces   and\ttabs\t\t",
         "国民経済の123計算 テスト。한국어 문장 ١٢٣٤", "naïve façade e\u0301 Å ﬁ ½ Ⅷ ²³", "CamelCaseHTTPServer iPhone aB Ab",
         "!important #tag @user $x_1 <b>it's</b> /path/to.c\n", "😀👩\u200d👩\u200d👧 ok\u3000全角\u00a0nbsp\u2028line", "ſt 'S 'ſ don'T", "\n\n\n", "   ", "",
         "a\u0300\u0316b\u093c", "$$\\frac{a}{b}$$ \\[x^2\\]", "ｶﾞ ① ㎏ \u180e\ufeff", "1 2 3 \n 4", "::== --> !!??\r\n\r\nx", "ǅ İstanbul ΣΑΣ"]


def texts(number, count):
    r = random.Random(number)
    return TEXTS + [t for t in (x.decode("utf-8", "replace")[:60] for x in golden.texts(600, 90 + number)) if r.random() < 0.5][:count]


def row(number, tk, cases, **more):
    made = []
    for text in cases:
        ids = tk.encode(text).ids
        made.append([text, ids, tk.decode(ids, skip_special_tokens=False), tk.decode(ids, skip_special_tokens=True)])
    return {"number": number, "json": tk.to_str(), "cases": made, **more}


def family(number, name, expressions):
    tk = Tokenizer(models.BPE(ignore_merges=name in ("llama-bpe", "tekken")))
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=480, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tk.train_from_iterator([t.decode("utf-8", "replace")[:300] for t in golden.texts(1500, 3)] + TEXTS * 2, trainer)
    if name == "qwen2":
        tk.normalizer = normalizers.NFC()
    parts = [pre_tokenizers.Digits(individual_digits=True)] if name == "smollm" else []
    parts += [pre_tokenizers.Split(Regex(x), "isolated") for x in expressions or []]
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not expressions))
    tk.pre_tokenizer = parts[0] if len(parts) == 1 else pre_tokenizers.Sequence(parts)
    tk.post_processor, tk.decoder = processors.ByteLevel(), decoders.ByteLevel()
    if name == "deepseek-v3":
        tk.normalizer = normalizers.Sequence([])  # as in its file
    return row(number, tk, texts(number, 40), pre=name)


def gemma(number):
    tk = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tk.normalizer = normalizers.Replace(" ", "▁")
    special = ["<pad>", "<eos>", "<bos>", "<unk>"] + ["<0x%02X>" % b for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, limit_alphabet=60, special_tokens=special, show_progress=False)
    tk.train_from_iterator([" ".join(golden.WORDS[k:] + golden.WORDS[:k]) for k in range(0, 120, 4)], trainer)
    root = json.loads(tk.to_str())
    root["added_tokens"] = root["added_tokens"][:4]
    tk = Tokenizer.from_str(json.dumps(root))
    tk.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return row(number, tk, [t for t in texts(number, 40) if "<" not in t], pre="spm-bare")


def letters(*more):
    return {t: i for i, t in enumerate(["<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz0123456789#⁄-", *more])}


STARTS = ["½ a", "0a", "12a", "a0", "ﬁ b", "ﬁ\u0301x", "é\u0323a", "e\u0301a", "İa", "\u0301a", "\u0301\u0323", " a", "  ab", "▁a", "", "ab cd", "the",
          "thea b", "ǆ-½", "-a -b", "½½", "Å-a", "각-a", "\u1112\u1161-a"]
NORMALIZERS = [[normalizers.NFKC(), normalizers.Replace(Regex("[0-9]+"), "#")], [normalizers.NFC()], [normalizers.NFD(), normalizers.StripAccents()],
               [normalizers.NFKD(), normalizers.Lowercase()], [normalizers.Lowercase(), normalizers.Strip(True, True)],
               [normalizers.Strip(True, False), normalizers.Prepend("▁"), normalizers.Replace("the", "a-b")],
               [normalizers.Replace("the", "")], [normalizers.Replace(Regex("^a?"), "x-y")], [normalizers.Prepend("a-"), normalizers.NFC()]]
PIECES = [[pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.Metaspace("▁", "first", False)],
          [pre_tokenizers.Metaspace("▁", "first", True), pre_tokenizers.Split("-", "isolated"), pre_tokenizers.Metaspace("▁", "first", False)],
          [pre_tokenizers.Split(Regex("[⁄-]"), "merged_with_next"), pre_tokenizers.ByteLevel(True, True, False), pre_tokenizers.Metaspace("▁", "first", True)]]


def start(number):
    tk = Tokenizer(models.BPE(vocab=letters("Ġ", "Ã", "Ì", "ģ"), merges=[], unk_token="<unk>"))
    tk.normalizer = normalizers.Sequence(NORMALIZERS[number % len(NORMALIZERS)])
    tk.pre_tokenizer = pre_tokenizers.Sequence(PIECES[number % len(PIECES)])
    tk.decoder = decoders.Fuse()
    return row(1000 + number, tk, STARTS)


def first_token(number, scheme):
    tk = Tokenizer(models.WordLevel(vocab={"<unk>": 0, "##Ä": 1, "ę": 2, "▁Ė": 3, "▁▁": 4, "Ġa": 5, "▁": 6}, unk_token="<unk>"))
    tk.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tk.decoder = decoders.Sequence([decoders.Metaspace("▁", scheme), decoders.ByteLevel()])
    return row(number, tk, ["##Ä ę ▁Ė", "ę ##Ä", "▁Ė ▁Ė", "▁▁ Ġa", "Ġa ▁▁", "▁ ę", "x ę"])


def words(number):
    """\\w, whose set differs in a class of characters, and \\b."""
    parts = [r"\w+", r"[\w]+", r"\W", r"[^\w]+", r"\b", r"x\B."]
    tk = Tokenizer(models.WordLevel(vocab={"<unk>": 0, **{t: i + 1 for i, t in enumerate(["a", "x", "²", "½", "a²", "x½", " ", "-", "①", "a①", "Ⅷ", "é", "e\u0301"])}},
                                    unk_token="<unk>"))
    tk.pre_tokenizer = pre_tokenizers.Split(Regex(parts[number % len(parts)]), "isolated")
    return row(3000 + number, tk, ["a² x½ a-x", "²", "a① Ⅷ-é", "½½ x½a", "e\u0301x e\u0301", "", "x² x① xa x-"])


def twice(number):
    tk = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -4.0), ("b", -5.0), ("ab", -5.5), ("<unk>", -3.0), ("a", -1.0)], 0, False))
    return row(number, tk, ["ab", "a<unk>bzz", "zza", "<unk>", "aab"])


def main():
    rows = [family(n, name, x) for n, (name, x) in enumerate(FAMILIES.items())]
    rows.append(gemma(len(rows)))
    rows += [start(n) for n in range(len(NORMALIZERS) * len(PIECES))]
    rows += [first_token(2000 + n, scheme) for n, scheme in enumerate(["always", "first", "never"])] + [twice(2010)]
    rows += [words(n) for n in range(6)]
    with open(os.path.join(golden.OUT, "made.jsonl"), "w", encoding="utf-8") as f:
        for r in rows:
            f.write(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
