/* gen_arithmetic.c: sums and differences in a sentence, for models that read English.
 *
 * "What does 12 + 5 - 3 come to?" with the number as solution and a completion that works from left to right
 * and boxes the result, or "Calculate 12 + 5 - 3. Answer with the number only." and the number. Style "chat"
 * gives message lists (a chat template applies), style "text" plain strings.
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

/* Terms from lo..hi. */
static void sum_draw(struct sum *s, uint32_t lo, uint32_t hi, struct rng_at *at)
{
    for (int i = 0; i < s->n; i++) {
        s->term[i] = lo + gen_below(at, hi - lo + 1);
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

struct arithmetic_settings {
    long n_terms, n_digits, max;
    bool chat, worked;
};

/* A setting that is one of two words. */
static int arithmetic_word(const json_t *params, const char *key, const char *const words[2], bool *first,
                           struct err *e)
{
    const json_t *v = json_object_get(params, key);
    const char *word = v ? json_string_value(v) : words[0];
    *first = word && strcmp(word, words[0]) == 0;
    if (*first || (word && strcmp(word, words[1]) == 0)) return 0;
    return err_usage(e, "setting \"%s\" of arithmetic must be \"%s\" or \"%s\"", key, words[0], words[1]);
}

static int arithmetic_read(const json_t *params, struct arithmetic_settings *s, struct err *e)
{
    static const char *const known[] = {"n_terms", "n_digits", "max", "answer", "style", NULL};
    static const char *const styles[2] = {"chat", "text"}, *const answers[2] = {"worked", "number"};
    if (gen_params_check(params, known, "arithmetic", e) ||
        gen_int(params, (struct gen_setting){"n_terms", 3, 2, TERMS_MAX}, &s->n_terms, e) ||
        gen_int(params, (struct gen_setting){"n_digits", 2, 1, 6}, &s->n_digits, e) ||
        gen_int(params, (struct gen_setting){"max", 0, 0, 1000000}, &s->max, e))
        return -1;
    if (arithmetic_word(params, "style", styles, &s->chat, e)) return -1;
    return arithmetic_word(params, "answer", answers, &s->worked, e);
}

static json_t *arithmetic_make(const struct rng_at *at, bool held_out, const json_t *params, struct err *e)
{
    struct arithmetic_settings set;
    if (arithmetic_read(params, &set, e)) return NULL;
    uint32_t lo = 1, hi = 10;
    for (long k = 1; k < set.n_digits; k++) lo = hi, hi *= 10;
    if (set.max) lo = 1, hi = (uint32_t)set.max + 1;
    struct sum s = {.n = (int)set.n_terms};
    struct str problem, prompt, text;
    str_init(&problem, 1024);
    str_init(&prompt, 2048);
    str_init(&text, 4096);
    bool found = false;
    struct rng_at place = *at;
    for (uint32_t attempt = 1; attempt <= GEN_ATTEMPTS && !found; attempt++) {
        place.position = attempt * GEN_PLACES;
        sum_draw(&s, lo, hi - 1, &place);
        sum_text(&s, &problem);
        found = gen_held_out(problem.p) == held_out;
    }
    if (!found)
        err_usage(e, "with these settings arithmetic has no problem on the %s side: widen them",
                  held_out ? "test" : "train");
    str_addf(&prompt,
             set.worked
                 ? "What does %s come to? Work it out step by step and put the final number within \\boxed{}."
                 : "Calculate %s. Answer with the number only.",
             problem.p);
    long r = sum_solve(&s, &text);
    if (!set.worked) str_clear(&text);
    str_addf(&text, set.worked ? "The answer is \\boxed{%ld}." : "%ld", r);
    json_t *row = found ? sum_row(prompt.p, text.p, r, set.chat) : NULL;
    str_release(&problem);
    str_release(&prompt);
    str_release(&text);
    return row;
}

const struct datagen gen_arithmetic = {
    .name = "arithmetic",
    .help = "sums and differences in a sentence: What does 12 + 5 - 3 come to?",
    .make = arithmetic_make,
    .params_help =
        "n_terms (3): numbers in a sum; n_digits (2): digits of each; max (0): numbers are 1 to max "
        "instead; answer (worked): worked (steps, boxed) or number (nothing else); style (chat): "
        "chat (message lists) or text (plain strings)",
};
