#!/usr/bin/env python3
"""Writes src/text/case_data.c: case mappings and digits as Python 3.11's str methods know them (Unicode 14).

Chat templates are rendered as Python renders them, so upper(), title() and isdigit() must not depend on the Unicode
version of a library. Run: python3.11 tools/golden/case_table.py > src/text/case_data.c
"""
import sys
import unicodedata

assert unicodedata.unidata_version == "14.0.0"
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
MAPS = [("upper", str.upper), ("lower", str.lower), ("title", str.title)]
SETS = [("islower", str.islower), ("isupper", str.isupper), ("isdigit", str.isdigit), ("isnumeric", str.isnumeric)]


def case_runs(f):
    """[first, last, step, delta]: code points first, first + step ... last become c + delta."""
    runs = []
    for c in CODES:
        m = f(chr(c))
        if len(m) != 1 or ord(m) == c:
            continue
        d = ord(m) - c
        if runs and runs[-1][3] == d:
            first, last, step, _ = runs[-1]
            if first == last and c - last <= 2:
                runs[-1][1:3] = [c, c - last]
                continue
            if first != last and c - last == step:
                runs[-1][1] = c
                continue
        runs.append([c, c, 1, d])
    return runs


def set_runs(f):
    runs = []
    for c in CODES:
        if f(chr(c)):
            if runs and runs[-1][1] == c - 1:
                runs[-1][1] = c
            else:
                runs.append([c, c])
    return runs


def rows(items):
    line = "   "
    for item in items:
        if len(line) + len(item) > 108:
            yield line
            line = "   "
        line += " " + item
    yield line


def main():
    out = ["/* case_data.c: case mappings and digits of Python 3.11 (Unicode 14).", " *",
           " * Written by tools/golden/case_table.py; do not edit.", " */", '#include "text/pystr.h"', "", "/* clang-format off */"]
    for name, f in MAPS:
        runs = case_runs(f)
        out += [f"const struct case_run case_{name}_runs[] = {{"]
        out += rows([f"{{{a}, {b}, {s}, {d}}}," for a, b, s, d in runs])
        out += ["};", f"const int case_{name}_n_runs = {len(runs)};"]
        long = [(c, f(chr(c))) for c in CODES if len(f(chr(c))) > 1]
        out += [f"const struct case_long case_{name}_long[] = {{"]
        out += rows(["{%d, {%s}}," % (c, ", ".join(str(ord(x)) for x in m)) for c, m in long] or ["{0, {0}},"])
        out += ["};", f"const int case_{name}_n_long = {len(long)};", ""]
    for name, f in SETS:
        runs = set_runs(f)
        out += [f"const uint32_t set_{name}[] = {{"]
        out += rows([f"{a}, {b}," for a, b in runs])
        out += ["};", f"const int set_{name}_n = {len(runs)};", ""]
    sys.stdout.write("\n".join(out))


main()
