/* contest.c: tests in batches, and what their scores add up to. */
#include "reward/contest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/step_lines.h"

#define SHOWN 20 /* tests of an explanation */

/* What one batch, or all so far, came to. */
struct tally {
    int passed, lost;
    bool compile_error, failed;
    double lowest;
    char note[200]; /* of the first test that failed */
};

static const char *const status_names[] = {"ran", "does not compile", "lost"};

static void run_one(struct contest *c, int test, struct tally *t)
{
    struct contest_answer a = {.status = CONTEST_LOST};
    c->run(c->ctx, test, &a);
    c->runs++;
    bool full = a.status == CONTEST_RAN && a.score >= 1;
    t->passed += full;
    t->lost += a.status == CONTEST_LOST;
    t->compile_error |= a.status == CONTEST_COMPILE_ERROR;
    if (a.status != CONTEST_RAN) a.score = 0;
    if (c->runs <= SHOWN)
        steps_line(c->steps, 0, c->runs == 1 ? "tests" : "", "%d: %s, score %g%s%s", test,
                   status_names[a.status], a.score, a.note[0] ? "; " : "", a.note);
    if (a.score < t->lowest) t->lowest = a.score;
    if (!full && !t->failed) {
        snprintf(t->note, sizeof t->note, "test %d: %.170s", test, a.note);
        t->failed = true;
    }
}

static int batch_end(const struct contest *c, int from)
{
    return c->batch < 1 || c->batch > c->n - from ? c->n : from + c->batch;
}

bool contest_cf(struct contest *c, const char *mode, double *value)
{
    struct tally t = {.lowest = 1};
    bool pass_fail = strcmp(mode, "pass_fail") == 0;
    for (int from = 0, to; from < c->n; from = to) {
        to = batch_end(c, from);
        for (int i = from; i < to; i++) run_one(c, i, &t);
        if (t.compile_error || (pass_fail && t.failed)) break;
    }
    if (t.compile_error) {
        *value = -0.1;
        snprintf(c->reason, sizeof c->reason, "it does not compile: %.180s", t.note);
        return true;
    }
    snprintf(c->reason, sizeof c->reason, "%d of %d tests pass%s%.180s", t.passed, c->n, t.failed ? "; " : "",
             t.note);
    if (t.lost && !c->compat) return false;
    steps_line(c->steps, 0, "formula", "%s: %d of %d tests passed", mode, t.passed, c->n);
    double part = (double)t.passed / c->n, whole = t.passed == c->n;
    if (pass_fail)
        *value = whole;
    else if (strcmp(mode, "partial") == 0)
        *value = part;
    else
        *value = whole + 0.1 * part;
    return true;
}

double contest_round(double x, int precision)
{
    char text[400];
    /* printf rounds the exact binary value, a tie to even, as Python's round does. */
    snprintf(text, sizeof text, "%.*f", precision < 0 ? 0 : precision > 17 ? 17 : precision, x);
    return strtod(text, NULL);
}

bool contest_ioi(struct contest *c, int precision, double *value)
{
    struct tally t = {.lowest = 1};
    if (c->compat && c->batch < 1) {
        *value = 0;
        snprintf(c->reason, sizeof c->reason, "a batch size below 1 runs no test");
        return true;
    }
    for (int from = 0, to; from < c->n; from = to) {
        to = batch_end(c, from);
        for (int i = from; i < to; i++) run_one(c, i, &t);
        if (t.lowest <= 0) break;
    }
    snprintf(c->reason, sizeof c->reason, "lowest score %g of %d tests, %d run%s%.160s", t.lowest, c->n,
             c->runs, t.failed ? "; " : "", t.note);
    if (t.lost && !c->compat) return false;
    steps_line(c->steps, 0, "formula", "the lowest score, %g, rounded to %d decimals", t.lowest, precision);
    *value = contest_round(t.lowest, precision);
    return true;
}

char *contest_includes(const char *code, const char *id)
{
    char header[160];
    struct str s;
    str_init(&s, 0);
    if (!*code) return str_take(&s);
    snprintf(header, sizeof header, "#include \"%.120s.h\"", id);
    str_puts(&s, "#include <bits/stdc++.h>\n");
    if (!strstr(code, header)) str_addf(&s, "%s\n", header);
    if (!strstr(code, "using namespace std;") && !strstr(code, "std::"))
        str_puts(&s, "\nusing namespace std;\n\n");
    str_puts(&s, code);
    return str_take(&s);
}
