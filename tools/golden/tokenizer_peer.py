#!/usr/bin/env python3
"""openr1 tokenize against Hugging Face's tokenizers and SentencePiece, id for id, encoding and decoding.

usage: tokenizer_peer.py vocab LINES [NAME]   each vocabulary of ../shared/data/vocab (or one) on LINES lines
       tokenizer_peer.py random FROM COUNT    random tokenizers number FROM on, trained here, 400 texts each
       tokenizer_peer.py spm FROM COUNT       random SentencePiece models, trained here, 400 texts each
       tokenizer_peer.py golden FROM COUNT    writes tests/golden/tokenizers/random.jsonl: random tokenizers with texts,
                                              ids and decoded texts
OPENR1 names the program. A difference is printed with the tokenizer's parts and ends the run with status 1.
Pinned: tokenizers==0.23.3 transformers==5.23.0 sentencepiece==0.2.3.
"""
import functools
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]  # a file here is called like the library
os.environ["TOKENIZERS_PARALLELISM"] = "false"
spec = importlib.util.spec_from_file_location("golden_tokenizers", os.path.join(HERE, "tokenizers.py"))
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OPENR1 = os.environ.get("OPENR1", os.path.join(golden.ROOT, "build/openr1"))
N_TEXTS = 400
DIGITS = "0٣۴७৪௫೬๗༨၉០᠑０𝟗𑁦²½Ⅷ㉈一"
EXTRA = ["hello world", "Hello  World  ", " leading", "trailing ", "  both  ", "a.b,c;d!e?f", "don't stop", "x=1+2*3", "ǅ İstanbul ΣΑΣ",
         "ﬁne ﬂow ① ㎏ ｶﾞ Å Å", "e\u0301e\u0323\u0301 q\u0307\u0323", "각각 \u1112\u1161\u11ab", "a\u0300\u0301\u0316b", "▁a▁ b▁", "<0x41><0xE4>", "\u0915\u093c",
         "line\nline\r\nline", "1234567890", "12,345.67", "$$x^2$$ \\frac{a}{b}", "한국어 문장", "a\tb\tc", "．。！？", "A_B-C", "ABCabc123ABC"]


def lines(count):
    """Texts of all kinds, and lines of the data that the project has."""
    r = random.Random(5)
    out = [t.decode("utf-8", "replace") for t in golden.texts(count // 2, 7)]
    for folder in sorted(os.listdir(golden.DATA)):
        place = os.path.join(golden.DATA, folder)
        for name in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            if name.endswith(".jsonl"):
                with open(os.path.join(place, name), encoding="utf-8", errors="replace") as f:
                    rows = f.read().split("\n")
                out += [x[:3000] for x in r.sample(rows, min(len(rows), 1200))]
    r.shuffle(out)
    while len(out) < count:
        kind = r.random()
        if kind < 0.3:
            out.append("".join(r.choice(DIGITS) for _ in range(r.randrange(1, 30))) + " " + golden.sentence(r, 3))
        elif kind < 0.5:
            out.append("".join(r.choice(golden.EMOJI + golden.SCRIPTS + golden.OLD_NFC) for _ in range(r.randrange(1, 12))))
        elif kind < 0.6:
            out.append(r.choice([" ", "a", "ab", "\n", "=", "0", "中", "<s>", "</s>", " \t"]) * r.randrange(1, 700))
        else:
            out.append(" ".join(golden.piece(r) for _ in range(r.randrange(1, 9))))
    return out[:count]


# ---- our program ----------------------------------------------------------------------------------------------------


def run(folder, rows, *flags):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")
        f.flush()
        done = subprocess.run([OPENR1, "tokenize", "--model", folder, "--jsonl", f.name, *flags], capture_output=True)
    if done.returncode:
        raise SystemExit("openr1: " + done.stderr.decode())
    return [json.loads(x) for x in done.stdout.decode().split("\n") if x]


def compare(name, folder, texts, encode, decode):
    """encode(text) -> ids or None, decode(ids, skip) -> text; how many texts differ."""
    wrong = 0
    want = [encode(t) for t in texts]
    ours = run(folder, [{"id": i, "text": t} for i, t in enumerate(texts)])
    assert len(ours) == len(texts)
    for t, w, o in zip(texts, want, ours):
        if w is None:  # the library refuses, or breaks
            continue
        if w != o.get("ids"):
            wrong += 1
            if wrong < 4:
                print(name, "encode", repr(t[:200]), "\n  want", w and w[:60], "\n  got ", (o.get("ids") or o)if "error" in o else o["ids"][:60])
    ids = [{"id": i, "ids": w} for i, w in enumerate(want) if w]
    for skip, flag in ((False, []), (True, ["--no-special"])):
        for row, o in zip(ids, run(folder, ids, "--decode", *flag)):
            w = decode(row["ids"], skip)
            if w is not None and w != o.get("text"):
                wrong += 1
                if wrong < 4:
                    print(name, "decode", skip, row["ids"][:40], "\n  want", repr(w[:200]), "\n  got ", repr(o)[:300])
    return wrong


def library(tk):
    def encode(t):
        try:
            return tk.encode(t).ids
        except BaseException:
            return None

    def decode(ids, skip):
        try:
            return tk.decode(ids, skip_special_tokens=skip)
        except BaseException:
            return None
    return encode, decode


# ---- the vocabularies that the project has ----------------------------------------------------------------------------


def vocab_folders():
    """Name, folder, the library's tokenizer."""
    from transformers import AutoTokenizer, GPT2Tokenizer
    place = os.path.join(golden.DATA, "vocab")
    for name in sorted(os.listdir(place)):
        folder = os.path.join(place, name)
        names = os.listdir(folder)
        if "tokenizer.json" in names or "vocab.json" in names or "tokenizer.model" in names:
            cls = GPT2Tokenizer if name == "gpt2" else AutoTokenizer
            yield name, folder, cls.from_pretrained(folder)._tokenizer
    for name in sorted(x for x in os.listdir(os.path.join(golden.OUT)) if x.endswith(".json") and x.startswith("small")):
        folder = tempfile.mkdtemp()
        os.symlink(os.path.join(golden.OUT, name), os.path.join(folder, "tokenizer.json"))
        yield name, folder, Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))


def vocab(count, wanted=None):
    wrong, texts = 0, lines(count)
    for name, folder, tk in vocab_folders():
        if wanted not in (None, name):
            continue
        n = compare(name, folder, texts, *library(tk))
        print("%-24s %d lines, %d differences" % (name, len(texts), n), flush=True)
        wrong += n
    return wrong


# ---- random tokenizers ------------------------------------------------------------------------------------------------

PATTERNS = [r"\s+", r"\d", r"[A-Z][a-z]*", r"\p{L}+|\p{N}{1,3}", r" ?\p{P}", r"(?i:th|er)", r"\w+", r"[^\s\p{L}]+", golden.LLAMA3, golden.TEKKEN,
            r"\p{N}{1,3}", r"[一-龥\u3040-ゟ゠-ヿ]+", r"\s*[\r\n]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def some(r, low, high, makers):
    return [r.choice(makers)() for _ in range(r.randrange(low, high + 1))]


def random_normalizer(r):
    flip = lambda: r.random() < 0.5
    parts = some(r, 0, 3, [normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase, normalizers.StripAccents,
                           lambda: normalizers.Strip(flip(), flip()), lambda: normalizers.Prepend("▁"), lambda: normalizers.Replace(" ", "▁"),
                           lambda: normalizers.Replace(Regex(r"\s+"), r.choice([" ", "", "▁"])), lambda: normalizers.Replace("the", "THE"),
                           lambda: normalizers.Replace(Regex(r"[0-9]+"), "#")])
    return None if not parts else parts[0] if len(parts) == 1 and flip() else normalizers.Sequence(parts)


def random_pre_tokenizer(r):
    flip = lambda: r.random() < 0.5
    P = pre_tokenizers
    parts = some(r, 0, 3, [P.Whitespace, P.WhitespaceSplit, lambda: P.Punctuation(r.choice(BEHAVIORS)), lambda: P.Digits(flip()),
                           lambda: P.Split(Regex(r.choice(PATTERNS)), r.choice(BEHAVIORS), flip()), lambda: P.Split(r.choice([" ", "e", "th"]), r.choice(BEHAVIORS), flip()),
                           lambda: P.Metaspace("▁", r.choice(["always", "first", "never"]), flip()), lambda: P.ByteLevel(flip(), True, flip()),
                           lambda: P.CharDelimiterSplit(r.choice(" e")), lambda: P.FixedLength(r.randrange(1, 9))])
    if flip():
        parts.append(P.ByteLevel(flip(), True, flip()))
    return None if not parts else parts[0] if len(parts) == 1 and flip() else P.Sequence(parts)


def random_decoder(r):
    flip = lambda: r.random() < 0.5
    D = decoders
    usual = [D.ByteLevel(), D.Metaspace(), D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]), None, D.Fuse(), D.BPEDecoder()]
    parts = some(r, 1, 4, [D.ByteLevel, D.ByteFallback, D.Fuse, lambda: D.Metaspace("▁", r.choice(["always", "first", "never"])), lambda: D.Replace("▁", " "),
                           lambda: D.Replace(Regex(r"[aeiou]"), "."), lambda: D.Strip(r.choice(" ea▁"), r.randrange(3), r.randrange(3)), lambda: D.BPEDecoder("e")])
    return r.choice(usual) if flip() else D.Sequence(parts)


def random_added(r, norm):
    flip = lambda p: r.random() < p
    words = golden.MARKED + ["the", "th", " ", "\n", "12", "É", "é", "<x>", "x ", " y", "İ", "▁the", "Ab"]
    def empty(w):  # normalised to nothing, it would match between any two characters
        return norm and not norm.normalize_str(w)

    return [AddedToken(w, single_word=flip(0.3), lstrip=flip(0.3), rstrip=flip(0.3), normalized=flip(0.5) and not empty(w), special=flip(0.4))
            for w in r.sample(words, r.randrange(0, 8))]


def train(r, pre, norm):
    """A vocabulary of one of the models, as the "model" of a tokenizer.json."""
    kind = r.choice(["BPE"] * 6 + ["Unigram"] * 3 + ["WordLevel"])
    size = r.randrange(150, 700)
    alphabet = pre_tokenizers.ByteLevel.alphabet() if r.random() < 0.6 else []
    prefix, suffix = (r.choice([None, None, None, "##"]), r.choice([None, None, None, "</w>"])) if kind == "BPE" else (None, None)
    tk = Tokenizer({"BPE": models.BPE, "Unigram": models.Unigram, "WordLevel": models.WordLevel}[kind]())
    if pre:
        tk.pre_tokenizer = pre
    if norm:
        tk.normalizer = norm
    trainer = {"BPE": lambda: trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, limit_alphabet=r.randrange(40, 400),
                                                  **({"continuing_subword_prefix": prefix} if prefix else {}), **({"end_of_word_suffix": suffix} if suffix else {})),
               "Unigram": lambda: trainers.UnigramTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]),
               "WordLevel": lambda: trainers.WordLevelTrainer(vocab_size=size, show_progress=False)}[kind]()
    sample = r.sample(pool()[400:], 500)
    tk.train_from_iterator(sample, trainer)
    return json.loads(tk.to_str())["model"]


def edit(r, model):
    """Flags that training does not set; <unk> and <0xNN> are put into the vocabulary."""
    flip = lambda p: r.random() < p
    bytes_too = flip(0.4)
    names = ["<unk>"] + (["<0x%02X>" % b for b in range(256) if flip(0.97) or bytes_too and r.random() < 0.9] if bytes_too else [])
    if model["type"] == "Unigram":
        have = {t for t, _ in model["vocab"]}
        model["vocab"] += [[t, 0.0] for t in names if t not in have]
        model["unk_id"] = [t for t, _ in model["vocab"]].index("<unk>")
        model["byte_fallback"] = bytes_too
        return
    for t in names:
        model["vocab"].setdefault(t, len(model["vocab"]))
    model["unk_token"] = "<unk>"
    if model["type"] == "BPE":
        model.update(byte_fallback=bytes_too, fuse_unk=flip(0.5), ignore_merges=flip(0.3))


def random_tokenizer(number):
    r = random.Random(number)
    while True:
        norm, pre = random_normalizer(r), random_pre_tokenizer(r)
        try:
            model = train(r, pre, norm)
        except BaseException as e:  # the library's trainers do not survive everything that is drawn
            if isinstance(e, KeyboardInterrupt):
                raise
            continue
        edit(r, model)
        tk = Tokenizer(models.BPE())
        root = json.loads(tk.to_str())
        root["model"] = model
        try:
            tk = Tokenizer.from_str(json.dumps(root))
        except Exception:
            continue
        if norm:
            tk.normalizer = norm
        if pre:
            tk.pre_tokenizer = pre
        dec = random_decoder(r)
        if dec:
            tk.decoder = dec
        tk.add_tokens(random_added(r, norm))
        if r.random() < 0.3:
            tk.add_special_tokens(["<s>", "</s>"])
            ids = [("<s>", tk.token_to_id("<s>")), ("</s>", tk.token_to_id("</s>"))]
            tk.post_processor = r.choice([processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ids), processors.RobertaProcessing(ids[1], ids[0]),
                                          processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A", special_tokens=ids[:1])])])
        return Tokenizer.from_str(tk.to_str())


@functools.lru_cache
def pool():
    return [t.decode("utf-8", "replace")[:400] for t in golden.texts(4000, 11)]


def random_texts(number, count=N_TEXTS):
    return EXTRA + random.Random(number + 1000000).sample(pool(), count - len(EXTRA))


def parts_of(tk):
    root = json.loads(tk.to_str())
    root["model"] = {k: v for k, v in root["model"].items() if k not in ("vocab", "merges")}
    return json.dumps(root, ensure_ascii=False)


def random_run(first, count):
    wrong = 0
    for number in range(first, first + count):
        tk = random_tokenizer(number)
        with tempfile.TemporaryDirectory() as folder:
            tk.save(os.path.join(folder, "tokenizer.json"))
            n = compare("random %d" % number, folder, random_texts(number), *library(tk))
        if n:
            print("random %d: %d differences: %s" % (number, n, parts_of(tk)), flush=True)
        wrong += n
    print("%d random tokenizers, %d texts each, %d differences" % (count, N_TEXTS, wrong))
    return wrong


# ---- random SentencePiece models --------------------------------------------------------------------------------------


def random_spm(number, folder):
    """A model trained here; what its texts may not hold (pieces that SentencePiece does not find in a text)."""
    import sentencepiece
    r = random.Random(number)
    flip = lambda p: r.random() < p
    sample = [t.replace("\n", " ").replace("\0", "")[:200] for t in r.sample(pool()[400:], 600)]
    options = dict(model_type=r.choice(["bpe", "unigram"]), vocab_size=r.randrange(1200, 1800), byte_fallback=flip(0.6),
                   normalization_rule_name=r.choice(["identity", "nmt_nfkc", "nfkc", "nfkc_cf", "nmt_nfkc_cf"]), add_dummy_prefix=flip(0.8),
                   remove_extra_whitespaces=flip(0.6), character_coverage=r.choice([0.95, 0.995, 1.0]), split_digits=flip(0.5),
                   allow_whitespace_only_pieces=flip(0.5), split_by_unicode_script=flip(0.5), hard_vocab_limit=False, pad_id=r.choice([-1, 3]),
                   max_sentencepiece_length=r.choice([4, 16]), num_threads=1, minloglevel=2)
    prefix = os.path.join(folder, "tokenizer")
    with open(prefix + ".txt", "w") as f:
        f.write("\n".join(sample))
    while True:
        try:
            sentencepiece.SentencePieceTrainer.train(input=prefix + ".txt", model_prefix=prefix, **options)
            break
        except RuntimeError:  # more characters than places
            options["vocab_size"] += 800
    os.remove(prefix + ".txt")
    os.remove(prefix + ".vocab")
    return sentencepiece.SentencePieceProcessor(model_file=prefix + ".model"), options


def spm_run(first, count):
    """SentencePiece's ids for each text, and its text for ids without unknowns; and the library's from what we save."""
    wrong = 0
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            sp, options = random_spm(number, folder)
            texts = [t for t in random_texts(number) if "<" not in t and "\0" not in t]

            def decode(ids, skip):
                return sp.decode(ids) if skip and sp.unk_id() not in ids else None
            n = compare("spm %d" % number, folder, texts, sp.encode, decode)
        if n:
            print("spm %d: %d differences: %s" % (number, n, options), flush=True)
        wrong += n
    print("%d SentencePiece models, %d texts each, %d differences" % (count, len(texts), wrong))
    return wrong


# ---- golden file ------------------------------------------------------------------------------------------------------

JSON_MAX, N_CASES, CASE_MAX, N_SPM = 9000, 25, 60, 6
RULES = "41\t61\n42\t62\nE9\t65\nFB01\t66 69\n2026\t2E 2E 2E\n3000\t20\n9\t20\n65 301\t45\n61 30A\t\n"


def cases(texts, encode, decode):
    out = []
    for t in texts:
        ids = encode(t)
        if ids is not None and len(out) < N_CASES:
            out.append([t, ids, decode(ids, False), decode(ids, True)])
    return out


def short_texts(number):
    return [t for t in random_texts(number, 1000) if len(t) <= CASE_MAX]


def golden_spm(number, folder):
    """Small models: few characters, and a normaliser of a few rules."""
    import base64
    import sentencepiece
    prefix = os.path.join(folder, "m%d" % number)
    with open(prefix + ".txt", "w") as f:
        f.write("\n".join(" ".join(golden.WORDS[k:] + golden.WORDS[:k]) for k in range(0, 120, 4)))
    with open(prefix + ".tsv", "w") as f:
        f.write(RULES)
    sentencepiece.SentencePieceTrainer.train(
        input=prefix + ".txt", model_prefix=prefix, model_type=["bpe", "unigram"][number % 2], vocab_size=400, byte_fallback=number % 3 > 0,
        add_dummy_prefix=number != 4, remove_extra_whitespaces=number != 5, hard_vocab_limit=False, num_threads=1, minloglevel=2,
        **({"normalization_rule_tsv": prefix + ".tsv"} if number > 1 else {"normalization_rule_name": "identity"}))
    sp = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
    texts = [t for t in ["ABé  ﬁ…\u3000x\ty", "e\u0301 a\u030a", " the  of ", "  "] + short_texts(number) if "<" not in t and "\0" not in t]
    with open(prefix + ".model", "rb") as f:
        model = base64.b64encode(f.read()).decode()
    return {"number": number, "model": model,
            "cases": cases(texts, sp.encode, lambda ids, skip: sp.decode(ids) if skip and sp.unk_id() not in ids else None)}


def golden_run(first, count):
    with open(os.path.join(golden.OUT, "random.jsonl"), "w", encoding="utf-8") as f, tempfile.TemporaryDirectory() as folder:
        for number in range(N_SPM):
            f.write(json.dumps(golden_spm(number, folder), ensure_ascii=False, separators=(",", ":")) + "\n")
        while count:
            text = random_tokenizer(first).to_str()
            if len(text) <= JSON_MAX:
                row = {"number": first, "json": text, "cases": cases(short_texts(first), *library(Tokenizer.from_str(text)))}
                f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
                count -= 1
            first += 1
    return 0


def main():
    what, numbers = sys.argv[1], [int(x) if x.isdigit() else x for x in sys.argv[2:]]
    wrong = {"vocab": lambda: vocab(*numbers), "random": lambda: random_run(*numbers),
             "spm": lambda: spm_run(*numbers), "golden": lambda: golden_run(*numbers)}[what]()
    sys.exit(wrong > 0)


main()
