"""Golden file of the format and tag_count rewards: tests/golden/rewards.jsonl.

The regular expression and the four counts are what Open-R1's rewards compute (Python 3.11's re and str.count).
Texts are random sequences of tags, newlines and other pieces, and well-formed answers with random damage.
Run from the source folder: python tools/golden/rewards.py
"""
import json
import random
import re

PATTERN = r"^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$"
TAGS = ["<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"]
PIECES = ["<think>", "</think>", "<answer>", "</answer>", "\n", "\n", "\n", "a", " ", "\r", "\u00e9", "\u2028", "<"]


def scores(text):
    matched = re.match(PATTERN, text, re.DOTALL | re.MULTILINE)
    return {"text": text, "format": 1.0 if matched else 0.0, "tag_count": sum(0.25 for t in TAGS if text.count(t) == 1)}


def damaged(rng):
    body = lambda: "".join(rng.choice(["a", "\n", "<think>", "\n</answer>", "\n</think>\n", "b c"]) for _ in range(rng.randrange(4)))
    pieces = ["<think>", "\n", body(), "\n", "</think>", "\n", "<answer>", "\n", body(), "\n", "</answer>"]
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        i = rng.randrange(len(pieces))
        pieces[i] = rng.choice(["", pieces[i] * 2, pieces[i] + " ", rng.choice(PIECES)])
    return "".join(pieces) + rng.choice(["", "", "", "\n", "\nmore", " more"])


def main():
    rng = random.Random(1)
    texts = ["".join(rng.choice(PIECES) for _ in range(rng.randrange(14))) for _ in range(250)]
    texts += [damaged(rng) for _ in range(500)]
    with open("tests/golden/rewards.jsonl", "w", encoding="utf-8") as f:
        for text in dict.fromkeys(texts):
            f.write(json.dumps(scores(text)) + "\n")


if __name__ == "__main__":
    main()
