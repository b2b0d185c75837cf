/* compare.c: is the answer the gold answer? verify_math and extract_answer.
 *
 * The gold decides what is compared. A number: as exact rationals; where one side is a decimal with at
 * least six places, the other may be its unrounded value (0.333333 for 1/3), as Math-Verify rounds to six
 * places. Words: as text. A formula that is no number can be told equal only when it is spelt equally;
 * else the verdict is "undecided".
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "verify/verify_int.h"

#define DECIMALS_MIN 6

struct gold {
    struct found where;
    bool number, words;
    struct value value;
};

static void copy_cut(char *out, size_t size, const char *s, size_t n)
{
    if (n < size) {
        memcpy(out, s, n);
        out[n] = 0;
        return;
    }
    size_t keep = size - 4;
    while (keep && ((unsigned char)s[keep] & 0xC0) == 0x80) keep--;
    memcpy(out, s, keep);
    memcpy(out + keep, "...", 4);
}

static void value_text(const struct value *v, char *out, size_t size)
{
    struct str s;
    str_init(&s, 0);
    ratio_text(&v->r, &s);
    copy_cut(out, size, s.p, s.len);
    str_release(&s);
}

static bool verdict(struct receipt *out, enum verdict v, const char *rule, const char *why)
{
    out->verdict = v;
    snprintf(out->reason, sizeof out->reason, "%s%s%s", rule, *rule ? ": " : "", why);
    return v == VERDICT_CORRECT;
}

/* The first sentence of a line, without the full stop. */
static size_t sentence(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strchr(".!?;", s[i]) && (i + 1 == n || isspace((unsigned char)s[i + 1]))) return i;
    return n;
}

/* The number in what was found; from a line the one at its beginning, else the first in it. */
static bool found_value(const struct found *f, enum style latex_style, struct value *out)
{
    enum style style = f->latex ? latex_style : STYLE_PLAIN;
    bool ok = value_parse(f->p, f->n, style, out);
    if (!ok && f->line) {
        struct str clean;
        size_t at, len;
        ok = value_parse(f->p, sentence(f->p, f->n), style, out);
        str_init(&clean, 0);
        clean_math(f->p, f->n, &clean);
        if (!ok && value_find(clean.p, clean.len, false, &at, &len))
            ok = value_parse(clean.p + at, len, STYLE_PLAIN, out);
        str_release(&clean);
    }
    if (ok && f->percent && !out->percent) {
        struct ratio hundred;
        ratio_from_int(100, &hundred);
        out->percent = true;
        out->decimals = -1;
        ok = ratio_div(&out->r, &hundred, &out->r);
    }
    return ok;
}

/* Prose has a word of three letters; without one, digits belong to a formula or a list. */
static bool is_prose(const char *s)
{
    for (size_t run = 0; *s; s++) {
        run = isalpha((unsigned char)*s) ? run + 1 : 0;
        if (*s == '\\') return false;
        if (run == 3) return true;
    }
    return false;
}

/* A gold that nothing sets apart: the whole text if it is a value, or if it is no prose around a number. */
static void gold_whole(const char *text, struct gold *g)
{
    size_t n = strlen(text);
    struct value whole;
    bool latex = strchr(text, '\\') != NULL;
    bool value = value_parse(text, n, STYLE_PLAIN, &whole) || value_parse(text, n, STYLE_LATEX, &whole);
    if (!value && is_prose(text)) return;
    g->where.p = text;
    g->where.n = n;
    g->where.latex = latex;
    g->number = value;
    if (value) g->value = whole;
}

/* Find and read the gold. False with the reason when there is nothing to compare with. */
static bool gold_read(const char *text, enum extract_mode mode, struct gold *g, const char **why)
{
    *g = (struct gold){0};
    *why = "the gold answer is empty";
    if (!found_in(text, EXTRACT_ANY, WANT_ANY, &g->where)) return false;
    g->number = found_value(&g->where, STYLE_LATEX, &g->value);
    bool apart = g->where.delimited, part = g->where.latex, number = g->number;
    if (!apart) gold_whole(text, g);
    if (!apart && mode == EXTRACT_LATEX && !g->number) {
        /* As in Open-R1: a gold without LaTeX marks is a number, the last one in it, or gives no reward at
         * all. */
        *why = "the gold answer holds neither a marked formula nor a number";
        if (!number || part) return false;
        found_release(&g->where);
        if (!found_in(text, EXTRACT_ANY, WANT_NUMBER, &g->where)) return false;
        g->number = found_value(&g->where, STYLE_LATEX, &g->value);
    }
    struct str plain;
    str_init(&plain, 0);
    g->words = !g->number && clean_text(g->where.p, g->where.n, g->where.latex, &plain);
    str_release(&plain);
    return true;
}

static bool same_text(const struct gold *g, const struct found *f)
{
    struct str want, have;
    str_init(&want, 0);
    str_init(&have, 0);
    clean_text(g->where.p, g->where.line ? sentence(g->where.p, g->where.n) : g->where.n, g->where.latex,
               &want);
    clean_text(f->p, f->line ? sentence(f->p, f->n) : f->n, f->latex, &have);
    bool same = want.len && want.len == have.len && memcmp(want.p, have.p, want.len) == 0;
    str_release(&want);
    str_release(&have);
    return same;
}

static void compare_numbers(const struct gold *g, const struct found *f, const struct verify_params *p,
                            struct receipt *out)
{
    struct value v;
    if (!found_value(f, p->mode == EXTRACT_LATEX ? STYLE_LATEX_STRICT : STYLE_LATEX, &v)) {
        copy_cut(out->answer, sizeof out->answer, f->p, f->n);
        if (same_text(g, f))
            verdict(out, VERDICT_CORRECT, f->rule, "equal as text");
        else
            verdict(out, VERDICT_WRONG, f->rule, "the answer is not a number");
        return;
    }
    value_text(&v, out->answer, sizeof out->answer);
    int a = g->value.decimals, b = v.decimals, decimals = a < 0 || (b >= 0 && b < a) ? b : a;
    struct ratio hundredfold;
    if (ratio_equal(&g->value.r, &v.r)) {
        verdict(out, VERDICT_CORRECT, f->rule, "equal as exact numbers");
    } else if (decimals >= DECIMALS_MIN && !ratio_is_zero(&g->value.r) && !ratio_is_zero(&v.r) &&
               ratio_rounds_to(&g->value.r, &v.r, decimals)) {
        verdict(out, VERDICT_CORRECT, f->rule, "equal when rounded to the decimal places given");
    } else if (p->mode == EXTRACT_ANY && g->value.percent && !v.percent &&
               (ratio_from_int(100, &hundredfold), ratio_mul(&g->value.r, &hundredfold, &hundredfold)) &&
               ratio_equal(&hundredfold, &v.r)) {
        verdict(out, VERDICT_CORRECT, f->rule, "equal, the percent sign left out");
    } else {
        verdict(out, VERDICT_WRONG, f->rule, "different numbers");
    }
}

/* "(B) 12", "B. because", "B": a letter that names a choice, alone or in front. */
static bool names_choice(char letter, const struct found *f)
{
    struct str s;
    str_init(&s, 0);
    clean_math(f->p, f->n, &s);
    const char *p = s.p, *wrap = strchr(p, '(');
    if (*p == '\\' && wrap) p = wrap; /* \textbf{(B)} 12 */
    while (*p == ' ') p++;
    bool open = *p == '(';
    p += open;
    bool yes = *p == letter && (open ? p[1] == ')' : p[1] == 0 || strchr(".:)", p[1]));
    str_release(&s);
    return yes;
}

/* The gold's letter, if it is a choice: one capital. */
static char gold_choice(const struct gold *g)
{
    struct str s;
    str_init(&s, 0);
    clean_text(g->where.p, g->where.line ? sentence(g->where.p, g->where.n) : g->where.n, g->where.latex, &s);
    char letter = s.len == 1 && isupper((unsigned char)s.p[0]) ? s.p[0] : 0;
    str_release(&s);
    return letter;
}

static void compare_texts(const struct gold *g, const struct found *f, struct receipt *out)
{
    char choice = gold_choice(g);
    copy_cut(out->answer, sizeof out->answer, f->p, f->line ? sentence(f->p, f->n) : f->n);
    if (same_text(g, f))
        verdict(out, VERDICT_CORRECT, f->rule, "equal as text");
    else if (choice && names_choice(choice, f))
        verdict(out, VERDICT_CORRECT, f->rule, "the same choice");
    else if (g->words)
        verdict(out, VERDICT_WRONG, f->rule, "different text");
    else
        verdict(out, VERDICT_UNDECIDED, f->rule, "the gold is a formula and the answer is not spelt like it");
}

void verify_math(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out)
{
    static const struct verify_params lenient = {.mode = EXTRACT_ANY};
    struct gold g;
    struct found f = {0};
    const char *why;
    if (!p) p = &lenient;
    memset(out, 0, sizeof *out);
    if (!gold_read(gold, p->mode, &g, &why)) {
        verdict(out, VERDICT_UNDECIDED, "", why);
        goto out;
    }
    if (g.number)
        value_text(&g.value, out->gold, sizeof out->gold);
    else
        copy_cut(out->gold, sizeof out->gold, g.where.p, g.where.n);
    if (p->raw)
        f = (struct found){.p = answer, .n = strlen(answer), .rule = "the whole text"};
    else if (!found_in(answer, p->mode, g.number ? WANT_NUMBER : WANT_TEXT, &f)) {
        verdict(out, VERDICT_WRONG, f.rule, "no answer to compare");
        goto out;
    }
    if (g.number)
        compare_numbers(&g, &f, p, out);
    else
        compare_texts(&g, &f, out);
out:
    found_release(&g.where);
    found_release(&f);
}

bool extract_answer(const char *text, enum extract_mode mode, char *out, size_t size, const char **rule)
{
    struct found f;
    bool found = found_in(text, mode, WANT_ANY, &f);
    if (rule) *rule = f.rule;
    if (size) out[0] = 0;
    if (found && size >= 8) copy_cut(out, size, f.p, f.line ? sentence(f.p, f.n) : f.n);
    found_release(&f);
    return found;
}
