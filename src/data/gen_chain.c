/* gen_chain.c: a chain of digits, worked out from left to right modulo ten.
 *
 * "5-8+7*8+0*5=" : r = 5; r = (5-8) mod 10 = 7; (7+7) mod 10 = 4; ... There is no precedence. Six digits and
 * five operators make some 2.4 * 10^8 problems: too many to learn by heart, hard to answer at once, easy step
 * by step. A worked completion copies each operator and operand and writes the running result:
 *   readable  <think>-8=7 +7=4 *8=2 +0=2 *5=0</think>0
 *   compact   <think>-87+74*82+02*50</think>0
 *   words     <think>-8is7 +7is4 *8得2 +0is2 *5得0</think>0      Chinese in a share `mixed` of the steps
 * A plain completion is the final digit alone.
 */
#include <string.h>

#include "data/data_int.h"

#define DIGITS_MAX 32

struct chain {
    int n;
    int digit[DIGITS_MAX];
    char op[DIGITS_MAX]; /* op[i] stands before digit[i]; op[0] unused */
};

static void chain_draw(struct chain *c, struct rng_at *at)
{
    for (int i = 0; i < c->n; i++) {
        c->digit[i] = (int)gen_below(at, 10);
        c->op[i] = "+-*"[gen_below(at, 3)];
    }
}

static int chain_step(int r, char op, int d)
{
    int v = op == '+' ? r + d : op == '-' ? r - d : r * d;
    return (v % 10 + 10) % 10;
}

static void chain_prompt(const struct chain *c, struct str *out)
{
    str_clear(out);
    for (int i = 0; i < c->n; i++) {
        if (i) str_add(out, &c->op[i], 1);
        str_addf(out, "%d", c->digit[i]);
    }
    str_puts(out, "=");
}

enum style { READABLE, COMPACT, WORDS };
static const char *const styles[] = {"readable", "compact", "words"};

struct chain_form {
    enum style style;
    double mixed;
};

/* Appends the steps; the language of each is drawn. */
static int chain_solve(const struct chain *c, const struct chain_form *form, struct rng_at *at,
                       struct str *steps)
{
    int r = c->digit[0];
    for (int i = 1; i < c->n; i++) {
        r = chain_step(r, c->op[i], c->digit[i]);
        const char *blank = form->style != COMPACT && i > 1 ? " " : "", *equals = "";
        if (form->style == READABLE) equals = "=";
        if (form->style == WORDS) equals = gen_chance(at, form->mixed) ? "得" : "is";
        str_addf(steps, "%s%c%d%s%d", blank, c->op[i], c->digit[i], equals, r);
    }
    return r;
}

static int read_form(const json_t *params, struct chain_form *form, struct err *e)
{
    const json_t *style = json_object_get(params, "style");
    const char *name = style ? json_string_value(style) : "readable";
    for (int i = 0; i <= WORDS; i++) {
        if (!name || strcmp(name, styles[i]) != 0) continue;
        form->style = (enum style)i;
        return gen_share(params, "mixed", 0, &form->mixed, e);
    }
    return err_usage(e, "setting \"style\" of chain must be \"readable\", \"compact\" or \"words\"");
}

static json_t *chain_make(const struct rng_at *at, bool held_out, const json_t *params, struct err *e)
{
    static const char *const known[] = {"n_digits", "worked", "style", "mixed", NULL};
    long n;
    double worked;
    struct chain_form form;
    if (gen_params_check(params, known, "chain", e) ||
        gen_int(params, (struct gen_setting){"n_digits", 6, 2, DIGITS_MAX}, &n, e) ||
        gen_share(params, "worked", 1, &worked, e) || read_form(params, &form, e))
        return NULL;
    struct rng_at place = *at;
    place.position = 0;
    bool shown = gen_chance(&place, worked);
    struct chain c = {.n = (int)n};
    struct str prompt, text;
    str_init(&prompt, 1024);
    str_init(&text, 1024);
    for (uint32_t attempt = 1; attempt <= GEN_ATTEMPTS; attempt++) {
        place.position = attempt * GEN_PLACES;
        chain_draw(&c, &place);
        chain_prompt(&c, &prompt);
        if (gen_held_out(prompt.p) == held_out) break;
    }
    str_puts(&text, shown ? "<think>" : "");
    int r = chain_solve(&c, &form, &place, &text);
    if (!shown) str_clear(&text);
    str_addf(&text, "%s%d", shown ? "</think>" : "", r);
    char solution[2] = {(char)('0' + r), 0};
    json_t *row = json_pack("{s:s,s:s,s:s,s:b}", "prompt", prompt.p, "completion", text.p, "solution",
                            solution, "worked", shown);
    str_release(&prompt);
    str_release(&text);
    return row;
}

const struct datagen gen_chain = {
    .name = "chain",
    .help = "digits joined by + - *, worked out from left to right modulo ten: 5-8+7*8+0*5=",
    .make = chain_make,
    .params_help = "n_digits (6): digits in a problem; worked (1): share of completions that show the steps; "
                   "style (readable): readable \"-8=7 +7=4\", compact \"-87+74\" or words "
                   "\"-8is7 +7is4\"; mixed (0): with words, share of the steps said in Chinese",
};
