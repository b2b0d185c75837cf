#!/usr/bin/env python3
"""Writes src/text/unicode_data.c: the Unicode tables that Hugging Face's tokenizers 0.23.3 works with.

Categories are asked of its regular expression engine (Onigmo's relative Oniguruma, Unicode 16) code point by
code point; the normalisation flag is asked of its NFC (tables of Unicode 9), in which newer marks take no part.
Pinned: tokenizers==0.23.3. Run: python tools/golden/unicode_table.py > src/text/unicode_data.c
"""
import sys
import unicodedata

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


main()
