/* scorer.c: the rewards of a run over a window of completions, and the advantages they make.
 *
 * A reward says a number, or that it could not judge (None, kept as NaN): that is left out of sums and
 * means, never counted as zero. Each verdict comes with one line of why, which is stored with the completion.
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

/* Open-R1's keys for the parameters of its rewards. */
static const struct {
    const char *reward, *parameter, *key;
    enum opt_type type;
} known_params[] = {
    {"cosine", "min_value_wrong", "cosine_min_value_wrong", OPT_REAL},
    {"cosine", "max_value_wrong", "cosine_max_value_wrong", OPT_REAL},
    {"cosine", "min_value_correct", "cosine_min_value_correct", OPT_REAL},
    {"cosine", "max_value_correct", "cosine_max_value_correct", OPT_REAL},
    {"cosine", "max_len", "cosine_max_len", OPT_INT},
    {"repetition_penalty", "ngram_size", "repetition_n_grams", OPT_INT},
    {"repetition_penalty", "max_penalty", "repetition_max_penalty", OPT_REAL},
    {"code_format", "language", "code_language", OPT_STR},
    {"code", "scoring_mode", "code_eval_scoring_mode", OPT_STR},
    {"cf_code", "scoring_mode", "code_eval_scoring_mode", OPT_STR},
    {"cf_code", "test_batch_size", "code_eval_test_batch_size", OPT_INT},
    {"ioi_code", "test_batch_size", "code_eval_test_batch_size", OPT_INT},
    {"soft_overlong_punishment", "max_completion_len", "max_completion_len", OPT_INT},
    {"soft_overlong_punishment", "soft_punish_cache", "soft_punish_cache", OPT_INT},
};

static json_t *params_of(struct conf *c, const char *reward)
{
    json_t *o = json_object(), *own = conf_map(c, "reward_params");
    for (size_t i = 0; i < sizeof known_params / sizeof *known_params; i++) {
        const char *key = known_params[i].key;
        if (strcmp(known_params[i].reward, reward) != 0) continue;
        json_t *v = known_params[i].type == OPT_STR   ? json_string(conf_str(c, key))
                    : known_params[i].type == OPT_INT ? json_integer((json_int_t)conf_int(c, key))
                                                      : json_real(conf_real(c, key));
        json_object_set_new(o, known_params[i].parameter, v);
    }
    json_t *given = json_object_get(own, reward);
    if (json_is_object(given)) json_object_update(o, given);
    json_decref(own);
    return o;
}

static int read_weights(struct scorer *s, struct conf *c, struct err *e)
{
    const char *const *items;
    size_t n = conf_list(c, "reward_weights", &items);
    for (int k = 0; k < s->n; k++) s->weights[k] = 1;
    if (n == 0) return 0;
    if (n != (size_t)s->n)
        return err_usage(e, "reward_weights has %zu numbers, reward_funcs %d names", n, s->n);
    for (int k = 0; k < s->n; k++) {
        char *end;
        s->weights[k] = strtod(items[k], &end);
        if (*end || end == items[k] || !isfinite(s->weights[k]))
            return err_usage(e, "reward_weights: '%s' is not a number", items[k]);
    }
    return 0;
}

int scorer_read(struct scorer *s, struct conf *c, struct err *e)
{
    const char *const *names;
    size_t n = conf_list(c, "reward_funcs", &names);
    const char *scale = conf_str(c, "scale_rewards");
    if (n < 1 || n > FUNCS_MAX)
        return err_usage(e, "reward_funcs: %zu names; 1 to %d are wanted", n, FUNCS_MAX);
    for (size_t k = 0; k < n; k++) {
        s->funcs[s->n] = reward_find(names[k], e);
        if (!s->funcs[s->n]) return err_wrap(e, "reward_funcs");
        s->params[s->n++] = params_of(c, names[k]);
    }
    s->scale = strcmp(scale, "true") == 0 ? "group" : strcmp(scale, "false") == 0 ? "none" : scale;
    s->normalize_then_sum = strcmp(conf_str(c, "multi_objective_aggregation"), "normalize_then_sum") == 0;
    return read_weights(s, c, e);
}

void scorer_release(struct scorer *s)
{
    for (int k = 0; k < s->n; k++) json_decref(s->params[k]);
    *s = (struct scorer){0};
}

const char *scorer_metric(const struct scorer *s, int k)
{
    return s->funcs[k]->metric;
}

static void score_one(const struct scorer *s, const json_t *row, struct rollouts *r, int i)
{
    const struct completion *c = rollouts_at(r, i);
    for (int k = 0; k < s->n; k++) {
        struct reward_input in = {.text = c->text, .row = row, .params = s->params[k], .n_ids = c->n};
        struct reward_result out = {0};
        size_t cell = (size_t)i * (size_t)s->n + (size_t)k;
        s->funcs[k]->score(&in, &out);
        r->rewards[cell] = out.judged ? out.value : NAN;
        snprintf(r->reasons + cell * REASON_MAX, REASON_MAX, "%s", out.reason);
    }
}

int scorer_run(const struct scorer *s, const json_t *rows, const struct prompts *p, struct rollouts *r,
               struct err *e)
{
    int n = r->groups * r->group;
    for (int i = 0; i < n; i++) {
        long row = p->list[r->prompts[i / r->group]].row;
        score_one(s, json_array_get(rows, (size_t)row), r, i);
    }
    struct advantage_opts o = {.n = n,
                               .n_funcs = s->n,
                               .group = r->group,
                               .weights = s->weights,
                               .scale = s->scale,
                               .normalize_then_sum = s->normalize_then_sum};
    return advantages(r->rewards, &o, r->totals, r->advantages, &r->stats, e);
}
