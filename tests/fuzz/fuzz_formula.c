/* fuzz_formula.c: bytes as choices in a grammar of answers, so that almost every input is read and compared:
 * numbers, formulas, sets, tuples, intervals, chains, equations, matrices, units, choices. Each answer is
 * written twice, in two spellings of one meaning. It must equal itself and its other spelling, wherever in a
 * text it stands; two answers must be equal or not in both directions. seeds: tests/fuzz/seeds/formula
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "verify/verify.h"

enum { TEXT = 4000, DEPTH = 4 };

struct source {
    const uint8_t *p;
    size_t n;
};

/* The two spellings. */
struct pair {
    struct str plain, other;
};

static unsigned pick(struct source *s, unsigned n)
{
    if (!s->n) return 0;
    s->n--;
    return *s->p++ % n;
}

static void both(struct pair *w, const char *plain, const char *other)
{
    str_puts(&w->plain, plain);
    str_puts(&w->other, other);
}

static void same(struct pair *w, const char *text)
{
    both(w, text, text);
}

static void number(struct source *s, struct pair *w)
{
    static const char *const numbers[] = {
        "0",    "1",     "2",    "3",   "7",  "10",  "12",    "100",     "1000",         "0.5",
        "2.25", "0.001", "1234", "999", "17", "360", "65536", "1000000", "123456789012", "0.125"};
    char text[32];
    unsigned k = pick(s, 40);
    if (k < 20)
        same(w, numbers[k]);
    else {
        snprintf(text, sizeof text, "%u", k * 7 + pick(s, 7));
        same(w, text);
    }
}

static void formula(struct source *s, struct pair *w, int depth);

static void wrapped(struct source *s, struct pair *w, int depth, const char *open, const char *close)
{
    same(w, open);
    formula(s, w, depth - 1);
    same(w, close);
}

static void bracket(struct source *s, struct pair *w, int depth)
{
    both(w, "(", "\\left( ");
    formula(s, w, depth - 1);
    both(w, ")", " \\right)");
}

static void formula(struct source *s, struct pair *w, int depth)
{
    static const char *const names[] = {"x", "y", "n", "a", "\\pi ", "e", "i", "\\theta "};
    static const char *const functions[] = {"\\sin", "\\cos", "\\ln", "\\arctan", "\\log_{2}"};
    unsigned kind = depth <= 0 ? pick(s, 3) : pick(s, 13);
    switch (kind) {
    case 0:
    case 1: number(s, w); break;
    case 2: same(w, names[pick(s, 8)]); break;
    case 3:
    case 4:
        bracket(s, w, depth);
        both(w, kind == 3 ? "+" : "-", kind == 3 ? " + " : " - ");
        bracket(s, w, depth);
        break;
    case 5:
        bracket(s, w, depth);
        both(w, "\\cdot ", "\\times ");
        bracket(s, w, depth);
        break;
    case 6:
        both(w, "\\frac{", "\\dfrac {");
        formula(s, w, depth - 1);
        both(w, "}{", "} {");
        formula(s, w, depth - 1);
        same(w, "}");
        break;
    case 7:
        bracket(s, w, depth);
        both(w, "^{", "^ {");
        formula(s, w, 1);
        same(w, "}");
        break;
    case 8: wrapped(s, w, depth, "\\sqrt{", "}"); break;
    case 9: wrapped(s, w, depth, "\\sqrt[3]{", "}"); break;
    case 10:
        same(w, functions[pick(s, 5)]);
        bracket(s, w, depth);
        break;
    case 11: wrapped(s, w, depth, "|", "|"); break;
    default: wrapped(s, w, depth, "-{", "}"); break;
    }
}

static void list(struct source *s, struct pair *w, const char *open, const char *close)
{
    same(w, open);
    for (unsigned i = pick(s, 4) + 1; i; i--) {
        formula(s, w, 2);
        if (i > 1) same(w, ", "); /* 155,157 without the blank is one number */
    }
    same(w, close);
}

static void interval(struct source *s, struct pair *w)
{
    static const char *const opens[] = {"(", "["}, *const closes[] = {")", "]"};
    unsigned lo = pick(s, 50), n = pick(s, 50) + 1;
    char ends[32];
    snprintf(ends, sizeof ends, "%d,%d", (int)lo - 25, (int)(lo + n) - 25);
    same(w, opens[pick(s, 2)]);
    same(w, ends);
    same(w, closes[pick(s, 2)]);
}

static void matrix(struct source *s, struct pair *w)
{
    unsigned rows = pick(s, 3) + 1, columns = pick(s, 3) + 1;
    both(w, "\\begin{pmatrix}", "\\begin{bmatrix} ");
    for (unsigned i = 0; i < rows * columns; i++) {
        if (i) same(w, i % columns ? " & " : " \\\\ ");
        formula(s, w, 1);
    }
    both(w, "\\end{pmatrix}", " \\end{bmatrix}");
}

/* Returns whether equality is the same in both directions for this kind (docs/verifier.md: percent, bases,
 * names and relations are not). */
static bool answer(struct source *s, struct pair *w)
{
    static const char *const relations[] = {"<", ">", "\\le ", "\\ge ", "=", "\\ne "};
    static const char *const behind[] = {"\\%", "^\\circ", "\\text{ cm}", "\\text{ kg}", "_{8}", "!"};
    unsigned kind = pick(s, 12);
    switch (kind) {
    case 0: list(s, w, "\\{", "\\}"); return true;
    case 1: list(s, w, "(", ")"); return true;
    case 2: list(s, w, "", ""); return true;
    case 3:
        interval(s, w);
        for (unsigned i = pick(s, 3); i; i--) {
            both(w, "\\cup", " \\cup ");
            interval(s, w);
        }
        return true;
    case 4: matrix(s, w); return true;
    case 5:
        formula(s, w, 2);
        same(w, relations[pick(s, 6)]);
        formula(s, w, 2);
        return false;
    case 6:
        formula(s, w, 1);
        same(w, relations[pick(s, 2)]);
        same(w, "x");
        same(w, relations[pick(s, 2)]);
        formula(s, w, 1);
        return false;
    case 7:
        number(s, w);
        same(w, behind[pick(s, 6)]);
        return false;
    case 8:
        formula(s, w, 1);
        same(w, "\\pm ");
        formula(s, w, 1);
        return true;
    default: formula(s, w, DEPTH); return true;
    }
}

static enum verdict verdict_of(const char *gold, const char *text, const char *before, const char *after)
{
    struct str g, a;
    struct receipt r;
    str_init(&g, 0);
    str_init(&a, 0);
    str_addf(&g, "$%s$", gold);
    str_addf(&a, "%s%s%s", before, text, after);
    verify_math(g.p, a.p, NULL, &r);
    CHECK(r.reason[0], "no reason");
    str_release(&g);
    str_release(&a);
    return r.verdict;
}

static void pair_init(struct pair *w)
{
    str_init(&w->plain, TEXT);
    str_init(&w->other, TEXT);
}

static void pair_release(struct pair *w)
{
    str_release(&w->plain);
    str_release(&w->other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const frames[][2] = {{"$", "$"},
                                            {"so it is \\boxed{", "}."},
                                            {"The answer is $", "$."},
                                            {"<think>\\boxed{1}</think>\n**Answer:** \\(", "\\)"},
                                            {"\\[ \\boxed{", "} \\]"}};
    struct source s = {data, size};
    struct pair a, b;
    pair_init(&a);
    pair_init(&b);
    bool even = answer(&s, &a);
    if (pick(&s, 2)) s = (struct source){data, size}; /* the same once more, but for what follows */
    even = answer(&s, &b) && even;
    if (!a.plain.full && !a.other.full && !b.plain.full) {
        enum verdict itself = verdict_of(a.plain.p, a.plain.p, "$", "$");
        CHECK(itself != VERDICT_WRONG, "%s differs from itself", a.plain.p);
        for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
            CHECK(verdict_of(a.plain.p, a.other.p, frames[i][0], frames[i][1]) != VERDICT_WRONG,
                  "%s differs from %s%s%s", a.plain.p, frames[i][0], a.other.p, frames[i][1]);
        enum verdict forth = verdict_of(a.plain.p, b.plain.p, "$", "$"),
                     back = verdict_of(b.plain.p, a.plain.p, "$", "$");
        CHECK(!even || forth == back || forth == VERDICT_UNDECIDED || back == VERDICT_UNDECIDED,
              "%s and %s depend on their order", a.plain.p, b.plain.p);
    }
    pair_release(&a);
    pair_release(&b);
    return 0;
}
