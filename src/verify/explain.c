/* explain.c: the way to a verdict, for people: the places looked at, each as a tree, the normal forms that
 * were compared, and what the last word rests on.
 *
 * Lines of one shape: a label, then what it says, moved in for comparisons inside comparisons. All is
 * bounded: lines to STEPS_BYTES, trees as node_draw does, comparisons to COMPARISONS, the whole to BODY_BYTES
 * and what decided. Nothing here is reached unless an explanation is asked for.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/step_lines.h"
#include "verify/explain.h"

#define INDENT_MAX  12
#define COMPARISONS 30
#define BODY_BYTES  ((size_t)40 << 10)

void judge_say(struct judge *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->reason, sizeof j->reason, fmt, ap);
    va_end(ap);
    j->said++;
}

/* ---- lines -------------------------------------------------------------------------------------------- */

/* Room for more of the body? Says once that there is none. */
static bool is_open(struct explain *x)
{
    if (!x || x->hidden || x->cut) return false;
    x->cut = x->out->len - x->from > BODY_BYTES;
    if (x->cut) str_puts(x->out, "... (the rest is left out)\n");
    return !x->cut;
}

static void line_begin(struct explain *x, const char *label)
{
    steps_label(x->out, x->depth < INDENT_MAX ? x->depth : INDENT_MAX, label);
}

void explain_line(struct explain *x, const char *label, const char *fmt, ...)
{
    va_list ap;
    if (!is_open(x)) return;
    va_start(ap, fmt);
    steps_vline(x->out, x->depth < INDENT_MAX ? x->depth : INDENT_MAX, label, fmt, ap);
    va_end(ap);
}

/* Names in formulas come from foreign text. */
static void put_valid(struct str *out, const struct str *text)
{
    struct str valid;
    str_init(&valid, 0);
    utf8_clean(&valid, text->p, text->len);
    for (size_t i = 0; i < valid.len; i++)
        if ((unsigned char)valid.p[i] < ' ' && valid.p[i] != '\n') valid.p[i] = ' ';
    str_add(out, valid.p, valid.len);
    str_release(&valid);
}

/* n on one line, in so many bytes. */
static void put_node(struct str *out, const struct node *n, size_t bytes)
{
    struct str text;
    str_init(&text, bytes);
    node_print(n, &text);
    put_valid(out, &text);
    str_puts(out, text.full ? "..." : "");
    str_release(&text);
}

void explain_node(struct explain *x, const char *label, const struct node *n)
{
    if (!is_open(x)) return;
    line_begin(x, label);
    put_node(x->out, n, STEPS_BYTES);
    str_puts(x->out, "\n");
}

void explain_tree(struct explain *x, const char *label, const struct node *n)
{
    struct str text;
    if (n->n == 0 || !is_open(x)) return;
    str_init(&text, 0);
    node_draw(n, &text, 2 * x->depth + STEPS_LABEL + 1);
    line_begin(x, label);
    put_valid(x->out, &text);
    str_release(&text);
}

void explain_ball(struct explain *x, const char *label, const acb_t v, slong prec)
{
    if (!is_open(x)) return;
    slong digits = prec * 3 / 10 < 38 ? prec * 3 / 10 : 38;
    char *s = arb_get_str(acb_realref(v), digits, 0);
    line_begin(x, label);
    str_puts(x->out, s);
    flint_free(s);
    if (!arb_is_zero(acb_imagref(v))) {
        s = arb_get_str(acb_imagref(v), digits, 0);
        str_addf(x->out, " + %s i", s);
        flint_free(s);
    }
    str_puts(x->out, "\n");
}

/* ---- comparisons -------------------------------------------------------------------------------------- */

struct pair_shown explain_compare(struct judge *j, const struct node *g, const struct node *a)
{
    struct explain *x = j->w->explain;
    struct pair_shown before = {.said = j->said};
    if (!x || !g || !a || (x->gold == g && x->answer == a)) return before;
    before = (struct pair_shown){.gold = x->gold, .answer = x->answer, .said = j->said, .open = true};
    x->gold = g;
    x->answer = a;
    before.hidden = ++x->compared > COMPARISONS;
    if (before.hidden) {
        x->hidden++;
    } else if (is_open(x)) {
        line_begin(x, "compare");
        put_node(x->out, g, STEPS_BYTES / 2);
        str_puts(x->out, "  with  ");
        put_node(x->out, a, STEPS_BYTES / 2);
        str_puts(x->out, "\n");
    }
    x->depth++;
    return before;
}

enum truth explain_result(struct judge *j, struct pair_shown before, enum truth t)
{
    static const char *const names[] = {[NO] = "no", [YES] = "yes", [UNKNOWN] = "undecided"};
    struct explain *x = j->w->explain;
    if (!before.open) return t;
    /* What a comparison inside said last is not said again. */
    bool more = j->said != before.said && j->said != x->told;
    explain_line(x, names[t], "%s", more ? j->reason : "");
    x->told = j->said;
    x->depth--;
    x->hidden -= before.hidden;
    x->gold = before.gold;
    x->answer = before.answer;
    return t;
}

/* ---- the verdict -------------------------------------------------------------------------------------- */

static const struct {
    enum rests rests;
    const char *says;
} grounds[] = {
    {RESTS_ROUNDING, "convention: a decimal is compared after rounding"},
    {RESTS_BROKEN_OFF, "convention: digits that are broken off are the beginning of the number"},
    {RESTS_RESIDUES,
     "criterion: equal modulo three primes of 61 bits at random points; errs with a probability "
     "below 2^-100"},
    {RESTS_POINTS,
     "criterion: equal to 27 digits at points of every piece; errs with a probability below 2^-90 "
     "for each piece"},
    {RESTS_DIGITS,
     "criterion: equal in all digits computed; no probability is known, and no case of an error"},
    {RESTS_QUADRATURE, "criterion: two numerical approximations agree to 15 digits; no probability is known"},
};

void explain_verdict(struct judge *j, const struct receipt *r)
{
    static const char *const names[] = {"wrong: ", "correct: ", "undecided: "};
    struct explain *x = j->w->explain;
    if (!x) return;
    if (x->compared > COMPARISONS)
        explain_line(x, "", "... (%d more comparisons)", x->compared - COMPARISONS);
    x->cut = false;
    x->from = x->out->len;
    explain_line(x, "decided", "%s%s", names[r->verdict], r->reason);
    if (r->verdict != VERDICT_CORRECT) return; /* "different" is never taken on a criterion */
    for (size_t i = 0; i < sizeof grounds / sizeof *grounds; i++)
        if (j->rests & grounds[i].rests) explain_line(x, "rests on", "%s", grounds[i].says);
    if (!j->rests) explain_line(x, "rests on", "exact steps: nothing was taken on a criterion");
}
