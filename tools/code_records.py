#!/usr/bin/env python3
"""Records for `openr1 verify code` from HumanEval or MBPP: code_records.py FILE KIND [LIMIT].

KIND says what stands in "completion": reference (the data set's own solution: must pass); or what must fail:
none (returns nothing), wrong and equal (each function of the solution gives a value that equals nothing, or
everything), exit (leaves with status 0 before it is checked), raise, loop.
"""
import json
import re
import sys

FAULTS = {
    "none": "return None",
    "wrong": "return type('Odd', (), {'__eq__': lambda a, b: False})()",
    "equal": "return type('Yes', (), {'__eq__': lambda a, b: True})()",
    "exit": "__import__('os')._exit(0)",
    "raise": "raise ValueError('mutant')",
    "loop": "\n    while True: pass",
}


def completion(row, kind):
    solution = row.get("canonical_solution", row.get("code"))
    if kind == "reference":
        return solution
    if "canonical_solution" in row:
        return "    " + FAULTS[kind].strip() + "\n"
    names = re.findall(r"^def\s+(\w+)", solution, re.M) + re.findall(r"^(\w+)\s*=\s*lambda", solution, re.M)
    tested = [n for n in names if any(re.search(r"\b%s\(" % n, t) for t in row["test_list"])] or names
    return solution + "".join("\ndef %s(*_args): %s\n" % (n, FAULTS[kind]) for n in tested)


def main():
    path, kind = sys.argv[1:3]
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with open(path, encoding="utf-8") as f:
        for i, line in enumerate(f):
            if i == limit:
                break
            row = json.loads(line)
            row["completion"] = completion(row, kind)
            print(json.dumps(row))


main()
