/* reward_correct.c: is the answer right? What accuracy, reasoning_accuracy, length and cosine ask alike. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "reward/reward_int.h"
#include "verify/verify.h"

const char correct_mode_help[] =
    "latex: the answer must be boxed, or LaTeX behind \"answer\"; any: plain text too";
static const struct reward_param table[] = {CORRECT_PARAMS, {.name = NULL}};

/* Open-R1 reads the reasoning too: its tags lose their meaning. */
static char *tags_blunted(const char *text)
{
    static const char *const tags[] = {"<think>", "</think>"};
    char *copy = alloc_str(text);
    for (int i = 0; i < 2; i++)
        for (char *p = copy; (p = strstr(p, tags[i]));) *p = ' ';
    return copy;
}

#define GOLD_MAX 4096 /* bytes in which a plain number is looked for */

/* Does a plain number or arithmetic stand in the text, where Math-Verify 0.5.2 sees one: at the start,
 * behind a blank or "=", after "**" or a sign of currency? */
static bool plain_in(const char *text)
{
    static const char *const before[] = {"**", "$", "€", "£", "¥"};
    for (const char *p = text; *p && p - text < GOLD_MAX; p++) {
        if (p != text && !strchr(" \t\n\r=", p[-1])) continue;
        const char *q = p;
        for (size_t i = 0; i < sizeof before / sizeof *before; i++)
            if (str_starts(q, before[i])) q += strlen(before[i]);
        q += *q == '-';
        if (isdigit((unsigned char)*q) || (*q == '.' && isdigit((unsigned char)q[1]))) return true;
        size_t n = *q == '(' ? strspn(q, "0123456789 .+-*x/^()") : 0;
        if (n && strcspn(q + 1, "+-*x/^") < n - 1 && (!q[n] || strchr(".,:)$ \t\n", q[n]))) return true;
    }
    return false;
}

static bool latex_in(const char *text)
{
    return strpbrk(text, "$\\") || strstr(text, " [");
}

static enum correct told(const struct receipt *r, struct reward_result *out)
{
    if (r->verdict == VERDICT_UNDECIDED) {
        reward_unjudged(out, "%s", r->reason);
        return CORRECT_UNKNOWN;
    }
    reward_give(out, r->verdict == VERDICT_CORRECT, "%.100s vs %.100s; %.100s", r->answer, r->gold,
                r->reason);
    return r->verdict == VERDICT_CORRECT ? CORRECT_YES : CORRECT_NO;
}

enum correct correct_of(const struct reward_input *in, bool swapped, struct reward_result *out)
{
    char number[32];
    const char *gold = row_solution(in->row, number);
    bool compat = param_compat(in->params), any = strcmp(param_text(in->params, table, "mode"), "any") == 0;
    struct verify_params p = verify_defaults(any ? EXTRACT_ANY : EXTRACT_LATEX);
    struct receipt r;
    if (!gold) {
        reward_no_solution(out, in->row);
        return CORRECT_UNKNOWN;
    }
    if (!compat) {
        verify_explain(gold, in->text, &p, &r, in->steps);
        return told(&r, out);
    }
    p.upstream = true;
    p.swapped = swapped;
    p.text_exact = p.percent_exact = true;
    p.expr = !swapped;
    char *text = tags_blunted(in->text);
    verify_explain(gold, text, &p, &r, in->steps);
    free(text);
    if (!latex_in(gold) && (swapped || !plain_in(gold))) r.gold[0] = 0;
    if (swapped && !r.gold[0]) {
        reward_give(out, 1, "the gold holds no LaTeX, which Open-R1 takes for right");
        return CORRECT_ASSUMED;
    }
    if (!r.gold[0]) {
        reward_unjudged(out, "Open-R1 finds no answer in the gold \"%.100s\"", gold);
        return CORRECT_UNKNOWN;
    }
    if (r.verdict == VERDICT_UNDECIDED) r.verdict = VERDICT_WRONG;
    return told(&r, out);
}
