/* gen_arithmetic.c: sums and differences in a sentence, for models that read English.
 *
 * "What does 12 + 5 - 3 come to?" with the number as solution and a completion that works from left to right
 * and boxes the result. Style "chat" gives message lists (a chat template applies), style "text" plain
 * strings.
 */
#include <stdio.h>
#include <string.h>

#include "data/data_int.h"

#define TERMS_MAX 12

struct sum {
    int n;
    long term[TERMS_MAX];
    bool minus[TERMS_MAX];
};

static void sum_draw(struct sum *s, long n_digits, struct rng_at *at)
{
    uint32_t lo = 1, hi = 10;
    for (long k = 1; k < n_digits; k++) lo = hi, hi *= 10;
    for (int i = 0; i < s->n; i++) {
        s->term[i] = lo + gen_below(at, hi - lo);
        s->minus[i] = i && gen_chance(at, 0.5);
    }
}

static void sum_text(const struct sum *s, struct str *out)
{
    str_clear(out);
    for (int i = 0; i < s->n; i++)
        str_addf(out, "%s%ld", i == 0 ? "" : s->minus[i] ? " - " : " + ", s->term[i]);
}

static long sum_solve(const struct sum *s, struct str *steps)
{
    long r = s->term[0];
    for (int i = 1; i < s->n; i++) {
        long next = s->minus[i] ? r - s->term[i] : r + s->term[i];
        str_addf(steps, "%ld %c %ld = %ld\n", r, s->minus[i] ? '-' : '+', s->term[i], next);
        r = next;
    }
    return r;
}

static json_t *sum_row(const char *prompt, const char *completion, long solution, bool chat)
{
    char number[32];
    snprintf(number, sizeof number, "%ld", solution);
    json_t *p = json_string(prompt), *c = json_string(completion);
    if (chat) {
        p = json_pack("[{s:s,s:o}]", "role", "user", "content", p);
        c = json_pack("[{s:s,s:o}]", "role", "assistant", "content", c);
    }
    return json_pack("{s:o,s:o,s:s}", "prompt", p, "completion", c, "solution", number);
}

static json_t *arithmetic_make(const struct rng_at *at, bool held_out, const json_t *params, struct err *e)
{
    static const char *const known[] = {"n_terms", "n_digits", "style", NULL};
    long n_terms, n_digits;
    const json_t *style = json_object_get(params, "style");
    const char *name = style ? json_string_value(style) : "chat";
    if (gen_params_check(params, known, "arithmetic", e) ||
        gen_int(params, (struct gen_setting){"n_terms", 3, 2, TERMS_MAX}, &n_terms, e) ||
        gen_int(params, (struct gen_setting){"n_digits", 2, 1, 6}, &n_digits, e))
        return NULL;
    bool chat = name && strcmp(name, "chat") == 0;
    if (!chat && !(name && strcmp(name, "text") == 0)) {
        err_usage(e, "setting \"style\" of arithmetic must be \"chat\" or \"text\"");
        return NULL;
    }
    struct sum s = {.n = (int)n_terms};
    struct str problem, prompt, text;
    str_init(&problem, 1024);
    str_init(&prompt, 2048);
    str_init(&text, 4096);
    struct rng_at place = *at;
    for (uint32_t attempt = 1; attempt <= GEN_ATTEMPTS; attempt++) {
        place.position = attempt * GEN_PLACES;
        sum_draw(&s, n_digits, &place);
        sum_text(&s, &problem);
        if (gen_held_out(problem.p) == held_out) break;
    }
    str_addf(&prompt,
             "What does %s come to? Work it out step by step and put the final number within \\boxed{}.",
             problem.p);
    long r = sum_solve(&s, &text);
    str_addf(&text, "The answer is \\boxed{%ld}.", r);
    json_t *row = sum_row(prompt.p, text.p, r, chat);
    str_release(&problem);
    str_release(&prompt);
    str_release(&text);
    return row;
}

const struct datagen gen_arithmetic = {
    .name = "arithmetic",
    .help = "sums and differences in a sentence: What does 12 + 5 - 3 come to?",
    .make = arithmetic_make,
    .params_help = "n_terms (3): numbers in a sum; n_digits (2): digits of each; style (chat): chat (message "
                   "lists) or text (plain strings)",
};
