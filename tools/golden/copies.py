#!/usr/bin/env python3
"""Writes tests/golden/copies.json: texts, and by plain Python which of them share a run of 8 words with a benchmark
(lower case, split at white space: the rule of Open-R1's decontamination) and which are at least 0.8 alike (Jaccard, sets
of runs of 5 words). Run from the source folder: python tools/golden/copies.py
"""
import json
import random

draw = random.Random(7)
WORDS = ["The", "sum", "of", "all", "x_1", "prime", "Größe", "ΣΑΣ", "İstanbul", "$n$", "integers", "3.14", "is", "less",
         "than", "東京", "ﬁnd", "A", "b", "c,"] + [f"w{i}" for i in range(60)]
SPACES = [" ", " ", " ", "  ", "\n", "\t", "\u00a0", "\u3000"]


def text(n):
    return "".join(draw.choice(WORDS) + draw.choice(SPACES) for _ in range(n))


def changed(old):
    words = old.split()
    for _ in range(draw.randint(0, 2)):
        words[draw.randrange(len(words))] = draw.choice(WORDS)
    return "".join((w.upper() if draw.random() < 0.1 and w.isascii() else w) + draw.choice(SPACES) for w in words)


def runs(value, n):
    words = value.lower().split()
    return {" ".join(words[i:i + n]) for i in range(len(words) - n + 1)}


benchmark = [text(draw.randint(5, 40)) for _ in range(20)]
texts = [text(draw.randint(40, 120)) for _ in range(40)]
for i in range(30):
    texts.append(changed(draw.choice(texts)))
for i in range(20):
    words = draw.choice(benchmark).split()
    at = draw.randrange(len(words))
    texts.append(text(10) + " ".join(words[at:at + draw.randint(6, 14)]) + " " + text(10))

seen = set().union(*(runs(b, 8) for b in benchmark))
contaminated = [bool(runs(t, 8) & seen) for t in texts]
sets = [runs(t, 5) for t in texts]
first = list(range(len(texts)))


def root(i):
    while first[i] != i:
        i = first[i]
    return i


for i in range(len(texts)):
    for k in range(i):
        alike = len(sets[i] & sets[k]) / len(sets[i] | sets[k])
        if alike >= 0.8 and root(i) != root(k):
            first[max(root(i), root(k))] = min(root(i), root(k))
repeats = [root(i) if root(i) != i else -1 for i in range(len(texts))]
assert 5 < sum(contaminated) < 60 and sum(r >= 0 for r in repeats) >= 8, (sum(contaminated), repeats)
with open("tests/golden/copies.json", "w") as out:
    json.dump({"benchmark": benchmark, "texts": texts, "contaminated": contaminated, "repeats": repeats}, out, indent=0)
