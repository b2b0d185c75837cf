"""Pairs (gold, answer) made from real golds, and what Math-Verify says of each: the input of tests and benches.

    verify_pairs.py pairs DATA OUT.jsonl [N]     make N pairs (default 100000) from the datasets below DATA
    verify_pairs.py judge PAIRS.jsonl OUT.jsonl  add Math-Verify's verdict to each; goes on where it stopped

Golds: MATH, MATH-500, GSM8K, AIME, SVAMP, MAWPS, gsm_hard, AQuA. An answer is a rewriting that keeps the value
(boxes, blanks, \\dfrac, decimals, another order, sentences), one that changes it (off by one, sign, an item lost),
another gold of the same dataset, or a real model's completion (the traces). "made" says which, "same" what the
rewriting intends. Math-Verify is slow (some hundred a second), so its verdicts go to a file kept outside the tree.
"""
import json
import random
import re
import sys
import time
from fractions import Fraction
from pathlib import Path


def rows(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip():
                yield json.loads(line)


def last_box(text):
    at = text.rfind("\\boxed")
    if at < 0:
        return None
    open_at = text.find("{", at)
    if open_at < 0 or text[at + 6 : open_at].strip():
        return None
    depth = 0
    for i in range(open_at, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[open_at + 1 : i]
    return None


def plain(x):
    return str(int(x)) if float(x) == int(x) else str(x)


def golds(data):
    out = []
    for name in ["math/train.jsonl", "math/test.jsonl", "math500/test.jsonl"]:
        for r in rows(data / name):
            g = last_box(r["solution"])
            if g:
                out.append(("math", g))
    for name in ["gsm8k/test.jsonl", "gsm8k/train.jsonl"]:
        out += [("gsm8k", r["answer"].split("####")[1].strip()) for r in rows(data / name)]
    for name in ["aime_1983_2023/train.jsonl"]:
        out += [("aime", r["answer"]) for r in rows(data / name)]
    for name in ["aime24/test.jsonl", "aime25/test.jsonl", "comp_math_24_25/test.jsonl"]:
        out += [("aime", str(r["expected_answer"])) for r in rows(data / name)]
    out += [("svamp", plain(r["Answer"])) for r in rows(data / "svamp/test.jsonl")]
    out += [("mawps", plain(r["target"])) for r in rows(data / "mawps/test.jsonl")]
    out += [("gsm_hard", plain(r["target"])) for r in rows(data / "gsm_hard/test.jsonl")]
    for r in rows(data / "aqua/test.jsonl"):
        for o in r["options"]:
            out.append(("aqua", o.split(")", 1)[1].strip()))
    return [(d, g) for d, g in out if g and len(g) < 300]


def traces(data):
    for r in rows(data / "traces_tora/examples.jsonl"):
        text = r["messages"][-1]["content"] if r.get("messages") else None
        if text and r.get("gt"):
            yield str(r["gt"]), text
    for name in ["sample_ollama", "sample_openrouter"]:
        for r in rows(data / f"traces_rasbt_math/{name}.jsonl"):
            text = r.get("message_content") or r.get("message_thinking") or ""
            yield str(r["gtruth_answer"]), text
    for name in ["math/train.jsonl", "math/test.jsonl", "math500/test.jsonl"]:
        for r in rows(data / name):
            g = last_box(r["solution"])
            if g:
                yield g, r["solution"]
    for r in rows(data / "aime_1983_2023/train.jsonl"):
        yield r["answer"], r["solution"]


INT = re.compile(r"-?\d+$")
FRAC = re.compile(r"(-?)\\d?t?frac\{(\d+)\}\{(\d+)\}$")


def value(g):
    t = g.replace(",", "").replace("\\!", "").replace("\\$", "")
    if re.fullmatch(r"-?\d+(\.\d+)?", t):
        return Fraction(t)
    m = FRAC.match(t)
    if m and int(m[3]):
        return Fraction(int(m[2]), int(m[3])) * (-1 if m[1] else 1)
    return None


def latex(q):
    if q.denominator == 1:
        return str(q.numerator)
    return ("-" if q < 0 else "") + "\\frac{%d}{%d}" % (abs(q.numerator), q.denominator)


def split_top(g):
    parts, depth, at = [], 0, 0
    for i, c in enumerate(g):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(g[at:i])
            at = i + 1
    return parts + [g[at:]]


def keep(rng, g):
    """Rewritings of the formula that mean the same."""
    q = value(g)
    out = [g, " " + g + " ", g.replace("\\frac", "\\dfrac"), g.replace("\\dfrac", "\\frac"), g.replace("\\tfrac", "\\frac")]
    out += [g.replace("(", "\\left(").replace(")", "\\right)")] if "\\left" not in g else [g.replace("\\left", "").replace("\\right", "")]
    out.append(re.sub(r"([+\-=<>,])", r" \1 ", g))
    if q is not None:
        k = rng.randint(2, 9)
        out += [latex(q), "\\frac{%d}{%d}" % (q.numerator * k, q.denominator * k), "%d/%d" % (q.numerator, q.denominator)]
        out += [latex(q + k) + "-%d" % k, "%d\\cdot %s" % (k, latex(q / k)), "x=" + latex(q)]
        if q.denominator == 1:
            out += ["{:,}".format(q.numerator), "%d.0" % q.numerator, "\\sqrt{%d}" % q.numerator**2 if q >= 0 else g]
        elif all(q.denominator % p or p in (2, 5) for p in (2, 3, 5, 7, 11, 13)) and 10**12 % q.denominator == 0:
            out.append(("%.12f" % q).rstrip("0"))
        else:
            out.append("%.9f" % q)
        if q > 1 and q.denominator > 1:
            w = q.numerator // q.denominator
            out.append("%d\\frac{%d}{%d}" % (w, q.numerator - w * q.denominator, q.denominator))
    parts = split_top(g)
    if len(parts) > 1 and "\\ldots" not in g:
        out.append(",".join(reversed(parts)))
        out.append("\\{" + ", ".join(parts) + "\\}")
    sums = re.fullmatch(r"([0-9a-z\\{}^]+)([+])([0-9a-z\\{}^]+)", g)
    if sums and g.count("{") == g.count("}"):
        out.append(sums[3] + "+" + sums[1])
    return out


def change(rng, g):
    """Rewritings that do not."""
    q = value(g)
    out = []
    if q is not None:
        out += [latex(q + 1), latex(q - 1), latex(-q) if q else "1", latex(q * 10) if q else "10", latex(q / 2) if q else "2"]
        if q not in (0, 1, -1):
            out.append(latex(1 / q))
    digits = [m.start() for m in re.finditer(r"\d", g)]
    if digits:
        i = rng.choice(digits)
        out.append(g[:i] + str((int(g[i]) + rng.randint(1, 9)) % 10) + g[i + 1 :])
    for a, b in [("+", "-"), ("[", "("), ("sin", "cos"), ("<", ">"), ("\\le", "<"), ("x", "y")]:
        if a in g:
            out.append(g.replace(a, b, 1))
    parts = split_top(g)
    if len(parts) > 1:
        out.append(",".join(parts[:-1]))
    return out


WRAPS = [
    "\\boxed{%s}", "$\\boxed{%s}$", "The answer is $%s$.", "So the final answer is $\\boxed{%s}$.", "$%s$", "\\[ \\boxed{%s} \\]",
    "First we add 3 and 4 to get 7. Then $x+1=5$. Therefore, the answer is \\boxed{%s}.",
    "**Answer:** $%s$", "Final Answer: The final answer is $%s$. I hope it is correct.", "We get \\(%s\\) in the end.",
    "\\boxed{12}... wait, that is wrong. Let me redo this carefully from the start. The answer is \\boxed{%s}",
    "<think>\nmaybe \\boxed{99}?\n</think>\n\nThe result: $\\boxed{%s}$",
]
PLAIN = ["%s", "The answer is %s.", "Answer: %s", "#### %s", "It costs 5 each, so 3 of them and the rest make %s in total.", "**%s**"]


def wrap(rng, d, a):
    if d in ("gsm8k", "svamp", "mawps", "gsm_hard", "aime") and "\\" not in a and rng.random() < 0.5:
        return rng.choice(PLAIN) % a
    return rng.choice(WRAPS) % a


def pairs(data, n):
    rng = random.Random(1)
    all_golds, out, seen = golds(data), [], set()

    def add(made, same, d, gold, answer):
        key = (gold, answer)
        if key not in seen and "%s" not in answer:
            seen.add(key)
            out.append({"id": len(out), "data": d, "made": made, "same": same, "gold": gold, "answer": answer})

    for gold, text in traces(data):
        if len(text) < 20000:
            add("trace", None, "trace", "$%s$" % gold, text)
    while len(out) < n:
        d, g = rng.choice(all_golds)
        gold = g if value(g) is not None and rng.random() < 0.3 and "\\" not in g else "$%s$" % g
        r = rng.random()
        if r < 0.55:
            add("kept", True, d, gold, wrap(rng, d, rng.choice(keep(rng, g))))
        elif r < 0.9:
            wrong = change(rng, g)
            if wrong:
                add("changed", False, d, gold, wrap(rng, d, rng.choice(wrong)))
        else:
            d2, g2 = rng.choice(all_golds)
            add("other", None, d, gold, wrap(rng, d2, g2))
    rng.shuffle(out)
    return out


def judge(path, done_path):
    import logging

    logging.disable(logging.CRITICAL)
    from math_verify import parse, verify
    from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig

    targets = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    done = {r["id"] for r in rows(done_path)} if Path(done_path).exists() else set()
    with open(done_path, "a", encoding="utf-8") as out:
        for r in rows(path):
            if r["id"] in done:
                continue
            start = time.process_time()
            try:
                v = verify(parse(r["gold"], targets, parsing_timeout=3), parse(r["answer"], targets, parsing_timeout=3), timeout_seconds=3)
            except Exception:
                v = None
            json.dump({"id": r["id"], "math_verify": v, "s": round(time.process_time() - start, 6)}, out)
            out.write("\n")
            out.flush()


if __name__ == "__main__":
    if sys.argv[1] == "pairs":
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            for p in pairs(Path(sys.argv[2]), int(sys.argv[4]) if len(sys.argv) > 4 else 100000):
                f.write(json.dumps(p, ensure_ascii=False) + "\n")
    else:
        judge(sys.argv[2], sys.argv[3])
