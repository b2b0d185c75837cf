/* course.c: which prompts come next.
 *
 * Plainly: epoch after epoch in a permutation of its own, a whole number of windows each. Where windows take
 * further prompts (dynamic_sampling), one stream of such permutations without a gap.
 *
 * By pass rate: each window draws its prompts without replacement, prompt i with weight
 * p_i (1 - p_i) + 0.01, p_i being the share of its completions that pass: problems that are solved now and
 * then come often, those that always or never work seldom, but they do come. (The variance of the reward is
 * what a group relative advantage learns from: Foster et al. 2025, arXiv 2502.12272.)
 * p_i = (a + passed) / (a + b + seen): the prior is the dataset's column, worth as many completions as a
 * group has, or 1/2, worth two; what was seen halves in weight with every further visit, since the model
 * changes. Drawing is by the keys log(u) / w of Efraimidis and Spirakis (2006), u a function of window and
 * prompt.
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fmath.h"
#include "base/json.h"
#include "base/rng.h"

static const double WEIGHT_FLOOR = 0.01;

static int read_priors(struct course *c, const struct rows *data, const struct prompts *p, struct conf *conf,
                       struct err *e)
{
    const char *column = conf_str(conf, "pass_rate_column");
    for (int i = 0; i < c->n; i++) {
        c->prior[i] = 0.5;
        if (!column) continue;
        const json_t *v = json_object_get(json_array_get(data->rows, (size_t)p->list[i].row), column);
        double rate = json_number_value(v);
        if (!json_is_number(v) || !(rate >= 0 && rate <= 1)) {
            err_set(e, "pass_rate_column %s must be a number from 0 to 1", column);
            return row_wrap(&data->places[p->list[i].row], e);
        }
        c->prior[i] = rate;
    }
    c->prior_weight = column ? (double)conf_int(conf, "num_generations") : 2;
    return 0;
}

int course_open(struct course *c, const struct rows *data, const struct prompts *p, struct trainer *t,
                struct err *e)
{
    const char *how = conf_str(t->conf, "curriculum");
    size_t n = (size_t)p->n;
    c->n = p->n;
    c->epoch = -1;
    c->seed = t->data_seed;
    c->shuffled = conf_bool(t->conf, "shuffle_dataset");
    c->by_pass_rate = strcmp(how, "pass_rate") == 0;
    c->order = alloc_zero(n, sizeof *c->order);
    if (!c->by_pass_rate) {
        if (conf_is_set(t->conf, "pass_rate_column"))
            return err_usage(e, "pass_rate_column is set, but curriculum is %s; expected pass_rate", how);
        return 0;
    }
    c->prior = alloc_zero(n, sizeof *c->prior);
    c->passed = alloc_zero(n, sizeof *c->passed);
    c->seen = alloc_zero(n, sizeof *c->seen);
    c->keys = alloc_zero(n, sizeof *c->keys);
    return read_priors(c, data, p, t->conf, e);
}

void course_release(struct course *c)
{
    free(c->order);
    free(c->prior);
    free(c->passed);
    free(c->seen);
    free(c->keys);
    *c = (struct course){0};
}

/* ---- the order ----------------------------------------------------------------------------------------- */

static void epoch_order(struct course *c, long epoch)
{
    struct rng_at at = {.seed = c->seed, .purpose = RNG_SHUFFLE, .step = (uint32_t)epoch};
    if (c->epoch == epoch) return;
    if (c->shuffled)
        rng_permutation(&at, c->order, (uint32_t)c->n);
    else
        for (int i = 0; i < c->n; i++) c->order[i] = (uint32_t)i;
    c->epoch = epoch;
}

double course_rate(const struct course *c, int prompt)
{
    return (c->prior_weight * c->prior[prompt] + c->passed[prompt]) / (c->prior_weight + c->seen[prompt]);
}

static int later_key(const void *a, const void *b)
{
    const struct course_key *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return (x->prompt > y->prompt) - (x->prompt < y->prompt);
}

static void weighted_order(struct course *c, long window)
{
    for (int i = 0; i < c->n; i++) {
        struct rng_at at = {
            .seed = c->seed, .purpose = RNG_SHUFFLE, .step = (uint32_t)window, .sequence = (uint32_t)i};
        double p = course_rate(c, i), u = rng_double(&at);
        c->keys[i].prompt = (uint32_t)i;
        c->keys[i].key = fm_log(u > 0 ? u : 0x1p-53) / (p * (1 - p) + WEIGHT_FLOOR);
    }
    qsort(c->keys, (size_t)c->n, sizeof *c->keys, later_key);
    for (int i = 0; i < c->n; i++) c->order[i] = c->keys[i].prompt;
}

void course_begin(struct course *c, long window)
{
    if (c->by_pass_rate) {
        weighted_order(c, window);
        c->next = 0;
    } else if (!c->streams) {
        long windows = c->n / c->window_groups;
        c->next = window / windows * c->n + window % windows * c->window_groups;
    }
}

int course_next(struct course *c)
{
    if (c->by_pass_rate) return c->next < c->n ? (int)c->order[c->next++] : -1;
    epoch_order(c, c->next / c->n);
    return (int)c->order[c->next++ % c->n];
}

void course_note(struct course *c, int prompt, int passed, int n)
{
    if (!c->by_pass_rate) return;
    c->passed[prompt] = c->passed[prompt] / 2 + passed;
    c->seen[prompt] = c->seen[prompt] / 2 + n;
}

/* ---- in a checkpoint --------------------------------------------------------------------------------- */

void course_save(const struct course *c, json_t *state)
{
    if (c->streams) json_object_set_new(state, "next_prompt", json_integer((json_int_t)c->next));
    if (!c->by_pass_rate) return;
    json_t *list = json_array();
    for (int i = 0; i < c->n; i++) {
        if (c->seen[i] == 0) continue;
        json_array_append_new(list, json_pack("[i, f, f]", i, c->passed[i], c->seen[i]));
    }
    json_object_set_new(state, "pass_rates", list);
}

int course_load(struct course *c, const json_t *state, struct err *e)
{
    const json_t *list = json_object_get(state, "pass_rates"), *entry;
    size_t k;
    if (c->streams && json_get_int(state, "next_prompt", "grpo_state.json", &c->next, e)) return -1;
    if (!c->by_pass_rate) return 0;
    if (!json_is_array(list)) return err_set(e, "grpo_state.json has no pass_rates");
    json_array_foreach(list, k, entry)
    {
        long i = (long)json_integer_value(json_array_get(entry, 0));
        if (json_array_size(entry) != 3 || i < 0 || i >= c->n)
            return err_set(e, "grpo_state.json: pass_rates[%zu] is of prompt %ld; there are %d", k, i, c->n);
        c->passed[i] = json_number_value(json_array_get(entry, 1));
        c->seen[i] = json_number_value(json_array_get(entry, 2));
    }
    return 0;
}
