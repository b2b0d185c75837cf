#!/usr/bin/env python3
"""Our verifier beside Math-Verify on the same pairs: processor time of one thread, and how often they agree.

usage: verify_speed.py PAIRS.jsonl JUDGED.jsonl... [--openr1 PATH] [--show N]
PAIRS and JUDGED are made by tools/golden/verify_pairs.py; JUDGED holds Math-Verify's verdicts and the processor time
that each took (parse of gold and answer, and verify; its imports are not counted). --show prints N pairs of each
class of disagreement.
"""
import argparse
import collections
import json
import re
import resource
import subprocess
import tempfile


def rows(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip():
                yield json.loads(line)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("pairs")
    a.add_argument("judged", nargs="+")
    a.add_argument("--openr1", default="build/openr1")
    a.add_argument("--show", type=int, default=0)
    a = a.parse_args()
    theirs = {r["id"]: r for path in a.judged for r in rows(path)}
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([a.openr1, "verify", "math", "--jsonl", a.pairs, "--out", out.name], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = {r["id"]: r for r in rows(out.name)}
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    n = agree = 0
    classes = collections.defaultdict(list)
    for p in rows(a.pairs):
        if p["id"] not in theirs:
            continue
        n += 1
        o, t = ours[p["id"]], bool(theirs[p["id"]]["math_verify"])
        agree += o["correct"] == t
        if o["correct"] != t:
            classes[p["made"], "only we accept" if o["correct"] else "only they accept", re.sub(r"\d+", "#", o["reason"])[:70]].append((p, o))
    their_seconds = sum(theirs[i]["s"] for i in theirs)
    print(f"pairs {n}, agreement {100 * agree / n:.3f} %")
    print(f"ours {seconds:.2f} s ({n / seconds:.0f} pairs a second, reading and writing JSON included)")
    print(f"Math-Verify {their_seconds:.1f} s ({n / their_seconds:.0f} a second); ratio {their_seconds / seconds:.0f}")
    for key, pairs in sorted(classes.items(), key=lambda x: -len(x[1])):
        print(f"{len(pairs):6} {key[1]}, {key[0]}: {key[2]}")
        for p, o in pairs[: a.show]:
            print(f"         {p['gold'][:80]!r} | {p['answer'][-100:]!r} | {o['gold_parsed'][:40]} | {o['answer_parsed'][:40]}")


if __name__ == "__main__":
    main()
