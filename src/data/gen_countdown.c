/* gen_countdown.c: reach a target with given numbers, each used exactly once.
 *
 * A problem is a handful of numbers and the value of a random expression over all of them, so it can
 * always be solved. Held out by the multiset of numbers: three numbers from 1 to 9 make only some ten
 * thousand problems, and reordering one must not carry it over to the other side.
 *   prompt      3,5,8->16:                       (style "chars")
 *   completion  3+5+8                            (plain)
 *   worked      <think>3*5-8=7;5+8+3=16;</think>5+8+3
 * A worked completion shows checked guesses, expression = value, until one matches; each guess is right with
 * probability p_right, the last one allowed always. Style "words" asks in a sentence, as one user message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

#define NUMBERS_MAX 6
#define EXPR_MAX    96

enum rank { RANK_SUM, RANK_PRODUCT, RANK_NUMBER };

struct term { /* an expression, its value, and how tightly its outermost operator binds */
    char text[EXPR_MAX];
    long value;
    enum rank rank;
};

struct countdown {
    int n;
    long number[NUMBERS_MAX], target;
    char solution[EXPR_MAX];
    long max_number, max_target, tries;
    double p_right, worked;
    bool words;
};

static void term_join(const struct term *a, char op, const struct term *b, struct term *out)
{
    bool product = op == '*' || op == '/';
    bool around_a = product && a->rank == RANK_SUM;
    bool around_b = (product && b->rank == RANK_SUM) || (op == '-' && b->rank == RANK_SUM) ||
                    (op == '/' && b->rank == RANK_PRODUCT);
    struct str text;
    str_init(&text, EXPR_MAX - 1);
    str_addf(&text, "%s%s%s%c%s%s%s", around_a ? "(" : "", a->text, around_a ? ")" : "", op,
             around_b ? "(" : "", b->text, around_b ? ")" : "");
    memcpy(out->text, text.p, text.len + 1);
    str_release(&text);
    out->rank = product ? RANK_PRODUCT : RANK_SUM;
    switch (op) {
    case '+': out->value = a->value + b->value; break;
    case '-': out->value = a->value - b->value; break;
    case '*': out->value = a->value * b->value; break;
    default: out->value = a->value / b->value; break;
    }
}

/* A random expression that uses every number once; divisions come out even. */
static void expression_draw(const struct countdown *c, struct rng_at *at, struct term *out)
{
    struct term pool[NUMBERS_MAX];
    int n = c->n;
    for (int i = 0; i < n; i++) {
        pool[i] = (struct term){.value = c->number[i], .rank = RANK_NUMBER};
        snprintf(pool[i].text, sizeof pool[i].text, "%ld", c->number[i]);
    }
    while (n > 1) {
        int i = (int)gen_below(at, (uint32_t)n), j = (int)gen_below(at, (uint32_t)n - 1);
        if (j >= i) j++;
        char op = "+-*/"[gen_below(at, 4)];
        if (op == '/' && (pool[j].value == 0 || pool[i].value % pool[j].value != 0)) op = '*';
        struct term joined;
        term_join(&pool[i], op, &pool[j], &joined);
        pool[i] = joined;
        pool[j] = pool[--n];
    }
    *out = pool[0];
}

static int number_order(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* The numbers in rising order, for the held-out hash. */
static void countdown_key(const struct countdown *c, struct str *out)
{
    long sorted[NUMBERS_MAX];
    memcpy(sorted, c->number, sizeof sorted);
    qsort(sorted, (size_t)c->n, sizeof *sorted, number_order);
    str_clear(out);
    for (int i = 0; i < c->n; i++) str_addf(out, "%ld,", sorted[i]);
}

static int countdown_draw(struct countdown *c, const struct rng_at *at, bool held_out, struct err *e)
{
    struct rng_at place = *at;
    struct str key;
    str_init(&key, 256);
    bool found = false;
    for (uint32_t attempt = 1; attempt <= GEN_ATTEMPTS && !found; attempt++) {
        place.position = attempt * GEN_PLACES;
        for (int i = 0; i < c->n; i++) c->number[i] = 1 + gen_below(&place, (uint32_t)c->max_number);
        countdown_key(c, &key);
        if (gen_held_out(key.p) != held_out) continue;
        struct term t;
        expression_draw(c, &place, &t);
        found = t.value >= 1 && t.value <= c->max_target;
        c->target = t.value;
        memcpy(c->solution, t.text, sizeof t.text);
    }
    str_release(&key);
    if (!found)
        return err_set(e,
                       "countdown: no %s problem found with these settings; raise \"max\" or \"max_target\"",
                       held_out ? "held-out" : "training");
    return 0;
}

static void countdown_prompt(const struct countdown *c, struct str *out)
{
    if (c->words) str_puts(out, "Using the numbers ");
    for (int i = 0; i < c->n; i++)
        str_addf(out, "%s%ld", i == 0 ? "" : !c->words ? "," : i == c->n - 1 ? " and " : ", ", c->number[i]);
    if (c->words)
        str_addf(out,
                 ", write an expression that equals %ld. Use each number exactly once, with + - * / and "
                 "parentheses. Think first, then give the expression between <answer> and </answer>.",
                 c->target);
    else
        str_addf(out, "->%ld:", c->target);
}

static void countdown_guesses(const struct countdown *c, struct rng_at *at, struct str *out)
{
    for (long k = 1; k <= c->tries; k++) {
        struct term guess;
        expression_draw(c, at, &guess);
        if (k == c->tries || gen_chance(at, c->p_right)) {
            memcpy(guess.text, c->solution, sizeof guess.text);
            guess.value = c->target;
        }
        str_addf(out, "%s=%ld;", guess.text, guess.value);
        if (guess.value != c->target) continue;
        str_addf(out, "</think>%s%s%s", c->words ? "\n<answer>" : "", guess.text,
                 c->words ? "</answer>" : "");
        return;
    }
}

static int countdown_settings(struct countdown *c, const json_t *params, struct err *e)
{
    static const char *const known[] = {"count",   "max",    "max_target", "tries",
                                        "p_right", "worked", "style",      NULL};
    long n;
    const json_t *style = json_object_get(params, "style");
    const char *name = style ? json_string_value(style) : "chars";
    if (gen_params_check(params, known, "countdown", e) ||
        gen_int(params, (struct gen_setting){"count", 3, 2, NUMBERS_MAX}, &n, e) ||
        gen_int(params, (struct gen_setting){"max", 9, 2, 100}, &c->max_number, e) ||
        gen_int(params, (struct gen_setting){"max_target", 100, 1, 1000}, &c->max_target, e) ||
        gen_int(params, (struct gen_setting){"tries", 6, 1, 16}, &c->tries, e) ||
        gen_share(params, "p_right", 0.15, &c->p_right, e) || gen_share(params, "worked", 1, &c->worked, e))
        return -1;
    c->n = (int)n;
    c->words = name && strcmp(name, "words") == 0;
    if (!c->words && !(name && strcmp(name, "chars") == 0))
        return err_usage(e, "setting \"style\" of countdown must be \"chars\" or \"words\"");
    return 0;
}

static json_t *countdown_row(const struct countdown *c, const char *prompt, const char *completion,
                             bool shown)
{
    json_t *nums = json_array();
    for (int i = 0; i < c->n; i++) json_array_append_new(nums, json_integer(c->number[i]));
    json_t *p = json_string(prompt), *a = json_string(completion);
    if (c->words) {
        p = json_pack("[{s:s,s:o}]", "role", "user", "content", p);
        a = json_pack("[{s:s,s:o}]", "role", "assistant", "content", a);
    }
    return json_pack("{s:o,s:o,s:o,s:I,s:s,s:b}", "prompt", p, "completion", a, "nums", nums, "target",
                     (json_int_t)c->target, "solution", c->solution, "worked", shown);
}

static json_t *countdown_make(const struct rng_at *at, bool held_out, const json_t *params, struct err *e)
{
    struct countdown c = {0};
    if (countdown_settings(&c, params, e)) return NULL;
    struct rng_at place = *at;
    place.position = 0;
    bool shown = gen_chance(&place, c.worked);
    if (countdown_draw(&c, at, held_out, e)) return NULL;
    struct str prompt, text;
    str_init(&prompt, 1024);
    str_init(&text, 4096);
    countdown_prompt(&c, &prompt);
    if (shown) {
        str_puts(&text, "<think>");
        countdown_guesses(&c, &place, &text);
    } else {
        str_addf(&text, "%s%s%s", c.words ? "<answer>" : "", c.solution, c.words ? "</answer>" : "");
    }
    json_t *row = countdown_row(&c, prompt.p, text.p, shown);
    str_release(&prompt);
    str_release(&text);
    return row;
}

const struct datagen gen_countdown = {
    .name = "countdown",
    .help = "reach a target with given numbers, each used once: 3,5,8->16:",
    .make = countdown_make,
    .params_help =
        "count (3): numbers; max (9): largest; max_target (100); worked (1): share of completions "
        "that show checked guesses; tries (6): guesses at most; p_right (0.15): chance that a guess "
        "is right; style (chars): chars \"3,5,8->16:\" or words (one user message)",
};
