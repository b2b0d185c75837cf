/* scorer.c: the rewards of a run over a window of completions, and the advantages they make.
 *
 * A reward says a number, or that it could not judge (None, kept as NaN): that is left out of sums and
 * means, never counted as zero. Each verdict comes with one line of why, which is stored with the
 * completion.
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

/* Open-R1's punishment has a limit of its own, which nothing ever reaches where max_completion_length is
 * small: unless it is set, the run's limit is meant. */
static void link_limit(json_t *params, struct conf *c)
{
    json_int_t most = (json_int_t)conf_int(c, "max_completion_length");
    bool compat = json_object_get(params, "compat");
    if (!json_object_get(params, "max_completion_len") && !compat)
        json_object_set_new(params, "max_completion_len", json_integer(most));
    most = (json_int_t)json_number_value(json_object_get(params, "max_completion_len"));
    if (!json_object_get(params, "soft_punish_cache") && !compat)
        json_object_set_new(params, "soft_punish_cache", json_integer(most / 4));
}

/* Open-R1's keys for the parameters of its rewards, then reward_params. */
static json_t *params_of(struct conf *c, const char *name)
{
    json_t *o = json_object(), *own = conf_map(c, "reward_params");
    const struct reward *w = strchr(name, '/') || strchr(name, '.') ? NULL : reward_find(name, NULL);
    for (const struct reward_param *p = w ? w->params : NULL; p && p->name; p++) {
        if (!p->open_r1 || !conf_knows(c, p->open_r1) || !conf_is_set(c, p->open_r1)) continue;
        json_t *v = p->type == PARAM_TEXT  ? json_string(conf_str(c, p->open_r1))
                    : p->type == PARAM_INT ? json_integer((json_int_t)conf_int(c, p->open_r1))
                                           : json_real(conf_real(c, p->open_r1));
        json_object_set_new(o, p->name, v);
    }
    json_t *given = json_object_get(own, name);
    if (!given && w) given = json_object_get(own, w->name);
    if (json_is_object(given)) json_object_update(o, given);
    if (w && strcmp(w->name, "soft_overlong_punishment") == 0) link_limit(o, c);
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

/* Completions as rewards see them: groups, each with its row and prompt. Made for the largest number of
 * completions that was scored so far. */
struct sight {
    int cap, n, n_groups; /* completions, at most and now; groups */
    struct reward_input *in;
    struct reward_result *out;
    struct reward_group *groups;
    json_t **prompts, **completions; /* of a group; of a completion where the prompt is a conversation */
};

static struct sight *sight_new(int cap)
{
    size_t n = (size_t)cap;
    struct sight *v = alloc_zero(1, sizeof *v);
    v->cap = cap;
    v->in = alloc_zero(n, sizeof *v->in);
    v->out = alloc_zero(n, sizeof *v->out);
    v->groups = alloc_zero(n, sizeof *v->groups);
    v->prompts = alloc_zero(n, sizeof *v->prompts);
    v->completions = alloc_zero(n, sizeof *v->completions);
    return v;
}

static void sight_clear(struct sight *v)
{
    for (int g = 0; g < v->n_groups; g++) json_decref(v->prompts[g]), v->prompts[g] = NULL;
    for (int i = 0; i < v->n; i++) json_decref(v->completions[i]), v->completions[i] = NULL;
    v->n = v->n_groups = 0;
}

static void sight_free(struct sight *v)
{
    if (!v) return;
    sight_clear(v);
    free(v->in);
    free(v->out);
    free(v->groups);
    free(v->prompts);
    free(v->completions);
    free(v);
}

/* The completions of group `slot`, as the next group of v. */
static int sight_add(struct sight *v, const struct sample_call *c, int slot, struct err *e)
{
    int size = c->to->group, g = v->n_groups++;
    json_t *row = json_array_get(c->rows, (size_t)c->prompts->list[c->to->prompts[slot]].row);
    v->groups[g] = (struct reward_group){v->in + v->n, v->out + v->n, size};
    if (!(v->prompts[g] = prompt_json(row, &c->prompts->opts, e))) return -1;
    for (int k = 0; k < size; k++) {
        const struct completion *done = rollouts_at(c->to, slot * size + k);
        int i = v->n++;
        if (json_is_array(v->prompts[g]))
            v->completions[i] = json_pack("[{s:s,s:s}]", "role", "assistant", "content", done->text);
        v->in[i] = (struct reward_input){.text = done->text,
                                         .row = row,
                                         .n_ids = done->n,
                                         .ids = done->ids,
                                         .prompt = v->prompts[g],
                                         .completion = v->completions[i]};
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
    struct reward_opts o = {.workers = (int)conf_int(c, "reward_workers"),
                            .limit_s = conf_real(c, "reward_timeout")};
    for (size_t k = 0; k < n; k++) {
        s->params[s->n] = params_of(c, names[k]);
        s->funcs[s->n] = reward_open(names[k], s->params[s->n], &o, e);
        if (!s->funcs[s->n++]) return err_wrap(e, "reward_funcs");
    }
    s->scale = strcmp(scale, "true") == 0 ? "group" : strcmp(scale, "false") == 0 ? "none" : scale;
    s->normalize_then_sum = strcmp(conf_str(c, "multi_objective_aggregation"), "normalize_then_sum") == 0;
    s->pass = conf_real(c, "pass_threshold");
    return read_weights(s, c, e);
}

void scorer_release(struct scorer *s)
{
    for (int k = 0; k < s->n; k++) {
        reward_close(s->funcs[k]);
        json_decref(s->params[k]);
    }
    sight_free(s->sight);
    *s = (struct scorer){0};
}

const char *scorer_metric(const struct scorer *s, int k)
{
    return reward_metric(s->funcs[k]);
}

bool scorer_is_program(const struct scorer *s, int k)
{
    return !reward_of(s->funcs[k]);
}

const char *scorer_name(const struct scorer *s, int k)
{
    const struct reward *w = reward_of(s->funcs[k]);
    return w ? w->name : reward_metric(s->funcs[k]);
}

/* TRL takes NaN for None without a word; hardly ever is it meant. */
static void warn_nan(struct scorer *s, int k, int n)
{
    int nans = reward_nans(s->funcs[k]);
    if (!nans || s->said_nan[k]) return;
    s->said_nan[k] = true;
    log_warn("%s returned NaN for %d of %d completions. It counts as None, as in TRL: it adds nothing to the "
             "reward. Look at the function: a division by zero? None says that a completion cannot be judged",
             reward_metric(s->funcs[k]), nans, n);
}

static int score_one(struct scorer *s, int k, const struct sample_call *c, struct err *e)
{
    struct sight *v = s->sight;
    struct rollouts *r = c->to;
    json_t *state = json_pack("{s:I}", "global_step", (json_int_t)s->step);
    for (int i = 0; i < v->n; i++) v->in[i].params = s->params[k];
    int rc = reward_groups(s->funcs[k], v->groups, v->n_groups, state, e);
    json_decref(state);
    if (!rc) warn_nan(s, k, v->n);
    for (int i = 0; i < v->n && !rc; i++) {
        size_t at = (size_t)c->slots[i / r->group] * (size_t)r->group + (size_t)(i % r->group);
        size_t cell = at * (size_t)s->n + (size_t)k;
        r->rewards[cell] = v->out[i].judged ? v->out[i].value : NAN;
        snprintf(r->reasons + cell * REASON_MAX, REASON_MAX, "%s", v->out[i].reason);
    }
    return rc;
}

int scorer_run(struct scorer *s, const struct sample_call *c, struct err *e)
{
    int n = c->n_slots * c->to->group, rc = 0;
    if (!s->sight || s->sight->cap < n) {
        sight_free(s->sight);
        s->sight = sight_new(n);
    }
    for (int i = 0; i < c->n_slots && !rc; i++) rc = sight_add(s->sight, c, c->slots[i], e);
    for (int k = 0; k < s->n && !rc; k++) rc = score_one(s, k, c, e);
    sight_clear(s->sight);
    return rc ? -1 : 0;
}

int scorer_advantages(const struct scorer *s, struct rollouts *r, struct err *e)
{
    struct advantage_opts o = {.n = r->groups * r->group,
                               .n_funcs = s->n,
                               .group = r->group,
                               .weights = s->weights,
                               .scale = s->scale,
                               .normalize_then_sum = s->normalize_then_sum};
    return advantages(r->rewards, &o, r->totals, r->advantages, &r->stats, e);
}

bool scorer_passes(const struct scorer *s, const struct rollouts *r, int i)
{
    return r->rewards[(size_t)i * (size_t)s->n] >= s->pass;
}
