#!/usr/bin/env python3
"""Writes src/text/unicode_data.c and, called with "sets", src/text/unicode_sets.c: the Unicode tables that Hugging
Face's tokenizers 0.23.3 works with.

Categories are asked of its regular expression engine (Onigmo's relative Oniguruma, Unicode 16) code point by
code point; the normalisation flag is asked of its NFC (tables of Unicode 9), in which newer marks take no part.
The sets are asked of its StripAccents, Punctuation, NFKD and Lowercase, each of which has tables of its own age.
Pinned: tokenizers==0.23.3. Run: python tools/golden/unicode_table.py [sets] > src/text/unicode_data.c
"""
import sys
import unicodedata

sys.path.pop(0)  # a file beside this one is called like the library
from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "Cn Cc Cf Co Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp".split()
SURROGATES = range(0xD800, 0xE000)
CODES = [c for c in range(0x110000) if c not in SURROGATES]


def categories():
    """Category of every code point, by removing each category from the text of all code points."""
    text = "".join(map(chr, CODES))
    cat = {}
    for k, name in enumerate(CATEGORIES):
        split = pre_tokenizers.Split(Regex(r"[^\p{%s}]+" % name), "removed")
        for piece, _ in split.pre_tokenize_str(text):
            for ch in piece:
                assert ord(ch) not in cat
                cat[ord(ch)] = k
    return [cat.get(c, 0) for c in range(0x110000)]


def nfc_active():
    """Code points that NFC may change, move or join to what stands before; all others pass through."""
    nfc = normalizers.NFC().normalize_str
    marks = ["\u0301", "\u0323", "\u0327", "\u0334", "\u0345", "\u3099"]
    active = [False] * 0x110000
    second = set()
    for c in CODES:
        d = unicodedata.decomposition(chr(c)).split()
        if len(d) != 2 or d[0].startswith("<"):
            continue
        first, last = (int(x, 16) for x in d)
        if nfc(chr(first) + chr(last)) == chr(c):
            second.add(last)
    second |= set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in CODES:
        ch = chr(c)
        if nfc(ch) != ch or c in second:
            active[c] = True
        elif unicodedata.combining(ch):
            # a mark that the tables know lets one of these marks pass it or join the letter across it
            active[c] = any(nfc("a" + ch + m) != "a" + ch + m or nfc("a" + m + ch) != nfc("a" + m) + ch
                            for m in marks)
    return active


# ---- sets ---------------------------------------------------------------------------------------------------------


def decomposing():
    """Code points that NFKD changes, or that change places with a mark of another class."""
    nfkd = normalizers.NFKD().normalize_str
    pairs = [("\u0345", 240), ("\u0334", 1)]
    return [c for c in CODES if nfkd(chr(c)) != chr(c) or
            any(nfkd(a + b) != nfkd(a) + nfkd(b) for m, _ in pairs for a, b in ((m, chr(c)), (chr(c), m)))]


def lower_runs():
    """[from, to, distance]: every second code point where distance is 1, else every one."""
    lower = normalizers.Lowercase().normalize_str
    runs = []
    for c in CODES:
        low = lower(chr(c))
        if len(low) != 1 or ord(low) == c:
            assert len(low) == 1 or c == 0x130
            continue
        d = ord(low) - c
        if runs and runs[-1][2] == d and c == runs[-1][1] + (2 if d == 1 else 1):
            runs[-1][1] = c
        else:
            runs.append([c, c, d])
    return runs


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def print_rows(head, rows):
    print("\n" + head + " = {")
    line = "   "
    for r in rows:
        item = " {" + ", ".join(hex(x) if k < 2 else str(x) for k, x in enumerate(r)) + "},"
        if len(line) + len(item) > 108:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


def sets():
    accent = normalizers.StripAccents().normalize_str
    punct = pre_tokenizers.Punctuation().pre_tokenize_str
    print("""/* unicode_sets.c: sets of code points of the normalisers and pre-tokenizers, as sorted ranges.
 *
 * Written by tools/golden/unicode_table.py from Hugging Face's tokenizers 0.23.3; do not edit. Each set is as
 * old as the table that the library asks: Unicode 9 for decompositions and marks, 8 for punctuation, 17 for
 * lower case.
 */
#include "text/unicode.h"

/* clang-format off */""")
    for name, codes in (("decomposing", decomposing()), ("marks", [c for c in CODES if not accent(chr(c))]),
                        ("punctuation", [c for c in CODES if len(punct("a" + chr(c))) == 2])):
        rows = ranges(codes)
        print_rows("static const struct uc_range %s_ranges[]" % name, rows)
        print("const struct uc_set uc_%s = {%s_ranges, %d};" % (name, name, len(rows)))
    rows = lower_runs()
    print_rows("const struct uc_lower_run uc_lower_runs[]", rows)
    print("const int uc_n_lower_runs = %d;" % len(rows))


def main():
    assert unicodedata.unidata_version == "14.0.0"  # Python 3.11
    cat, active = categories(), nfc_active()
    newer = [cat[c] != 0 and unicodedata.category(chr(c)) == "Cn" for c in range(0x110000)]
    key = list(zip(cat, active, newer))
    runs, start = [], 0
    for c in range(1, 0x110001):
        if c == 0x110000 or key[c] != key[start]:
            runs.append((c - start) << 7 | newer[start] << 6 | active[start] << 5 | cat[start])
            start = c
    out = ["/* unicode_data.c: general categories (Unicode 16) and NFC activity, as runs over 0..10FFFF.",
           " *",
           " * Written by tools/golden/unicode_table.py from Hugging Face's tokenizers 0.23.3; do not edit.",
           " * A run is length << 7 | newer than Unicode 14 << 6 | nfc << 5 | category, as in enum uc_category.",
           " */", '#include "text/unicode.h"', "", "/* clang-format off */",
           "const unsigned unicode_runs[] = {"]
    line = "   "
    for r in runs:
        item = " 0x%x," % r
        if len(line) + len(item) > 108:
            out.append(line)
            line = "   "
        line += item
    out += [line, "};", "const int unicode_n_runs = %d;" % len(runs)]
    sys.stdout.write("\n".join(out) + "\n")


if sys.argv[1:] == ["sets"]:
    sets()
else:
    main()
