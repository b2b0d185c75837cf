/* reward_use.c: rewards in use: rows of the table on all threads, programs of the user through their
 * workers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/embed.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/str.h"
#include "reward/reward_int.h"
#include "reward/workers.h"

#define LIMIT_S 600

struct reward_use {
    const struct reward *row; /* NULL: a program */
    char *name, *metric;
    json_t *params;
    struct workers *workers;
    int nans; /* of the last call */
};

/* ---- names ------------------------------------------------------------------------------------------- */

/* Where FILE.py:FUNCTION or MODULE.FUNCTION is parted; NULL: no Python function. */
static const char *function_of(const char *name)
{
    const char *colon = strrchr(name, ':'), *dot = strrchr(name, '.');
    if (colon && colon[1] && colon - name > 3 && strncmp(colon - 3, ".py", 3) == 0) return colon + 1;
    return !colon && dot && dot != name && dot[1] && strcmp(dot, ".py") != 0 && !strchr(name, '/') ? dot + 1
                                                                                                   : NULL;
}

/* Does the function come up? Asked before a model is loaded, not after the first completions; what it imports
 * may take longer than an answer. */
static int function_ready(struct reward_use *u, struct err *e)
{
    char ask[] = "null";
    return workers_ready(u->workers, ask, LIMIT_S, e) ? err_wrap(e, "reward \"%s\"", u->name) : 0;
}

static int program_open(struct reward_use *u, const struct reward_opts *o, struct err *e)
{
    const char *function = function_of(u->name), *python = getenv("OPENR1_PYTHON");
    const struct embedded *caller = embedded_find("src/reward/reward_worker.py");
    char *where = function ? alloc_strn(u->name, (size_t)(function - u->name) - 1) : alloc_str(u->name);
    const char *const call[] = {
        python && *python ? python : "python3", "-c", (const char *)caller->bytes, where, function, NULL};
    const char *const run[] = {where, NULL};
    int rc = 0;
    if (str_ends(where, ".py") && !function)
        rc = err_usage(e, "\"%s\" names no function; write %s:FUNCTION", u->name, u->name);
    else if (strchr(where, '/') && !file_exists(where))
        rc = err_usage(e, "reward \"%s\": there is no file %s", u->name, where);
    if (!rc) {
        const char *slash = strrchr(where, '/');
        struct workers_opts w = {.name = u->name,
                                 .argv = function ? call : run,
                                 .n = o && o->workers ? o->workers : 1,
                                 .limit_s = o && o->limit_s > 0 ? o->limit_s : LIMIT_S};
        u->metric = alloc_str(function ? function : slash ? slash + 1 : where);
        u->workers = workers_new(&w);
        if (function) rc = function_ready(u, e);
    }
    free(where);
    return rc;
}

struct reward_use *reward_open(const char *name, json_t *params, const struct reward_opts *o, struct err *e)
{
    struct reward_use *u = alloc_zero(1, sizeof *u);
    u->name = alloc_str(name);
    u->params = json_incref(params);
    int rc;
    if (strchr(name, '/') || function_of(name)) {
        rc = program_open(u, o, e);
    } else {
        u->row = reward_find(name, e);
        rc = u->row ? reward_params_check(u->row, params, e) : -1;
        if (!rc) u->metric = alloc_str(u->row->metric);
    }
    if (!rc) return u;
    reward_close(u);
    return NULL;
}

void reward_close(struct reward_use *u)
{
    if (!u) return;
    workers_free(u->workers);
    json_decref(u->params);
    free(u->name);
    free(u->metric);
    free(u);
}

const char *reward_metric(const struct reward_use *u)
{
    return u->metric;
}

const struct reward *reward_of(const struct reward_use *u)
{
    return u->row;
}

int reward_nans(const struct reward_use *u)
{
    return u->nans;
}

/* ---- rows of the table ------------------------------------------------------------------------------- */

struct scoring {
    const struct reward *row;
    const struct reward_group *groups;
    const int *first; /* number of each group's first completion; NULL: whole groups */
    int n;
};

static void score_item(void *ctx, int item)
{
    const struct scoring *s = ctx;
    int g = item;
    if (s->first) {
        for (g = 0; g + 1 < s->n && s->first[g + 1] <= item;) g++;
        int i = item - s->first[g];
        reward_score(s->row, &s->groups[g].in[i], 1, &s->groups[g].out[i]);
    } else {
        reward_score(s->row, s->groups[g].in, s->groups[g].n, s->groups[g].out);
    }
}

static void rows_score(const struct reward_use *u, const struct reward_group *groups, int n)
{
    struct scoring s = {.row = u->row, .groups = groups, .n = n};
    int *first = alloc_zero((size_t)n + 1, sizeof *first);
    for (int g = 0; g < n; g++) first[g + 1] = first[g] + groups[g].n;
    if (u->row->score) s.first = first;
    pool_for(s.first ? first[n] : n, score_item, &s);
    free(first);
}

/* ---- programs ---------------------------------------------------------------------------------------- */

/* Each column as a list over the completions; a column that only some rows have is null elsewhere. */
static void columns_add(json_t *request, const struct reward_group *g)
{
    const char *key;
    json_t *v;
    for (int i = 0; i < g->n; i++) json_object_foreach((json_t *)g->in[i].row, key, v)
        {
            static const char *const own[] = {"prompt", "prompts", "completion", "completions",
                                              "completion_ids"};
            bool skip = false;
            for (size_t k = 0; k < sizeof own / sizeof *own; k++) skip = skip || strcmp(key, own[k]) == 0;
            json_t *list = json_object_get(request, key);
            if (skip || list) continue;
            list = json_array();
            for (int k = 0; k < g->n; k++) {
                json_t *item = json_object_get(g->in[k].row, key);
                json_array_append(list, item ? item : json_null());
            }
            json_object_set_new(request, key, list);
        }
}

static char *request_text(const struct reward_group *g, const json_t *state)
{
    json_t *request = json_object(), *prompts = json_array(), *completions = json_array(),
           *ids = json_array();
    for (int i = 0; i < g->n; i++) {
        const struct reward_input *in = &g->in[i];
        json_array_append(prompts, in->prompt ? (json_t *)in->prompt : json_null());
        if (in->completion)
            json_array_append(completions, (json_t *)in->completion);
        else
            json_array_append_new(completions, json_string(in->text));
        json_t *list = json_array();
        for (int k = 0; in->ids && k < in->n_ids; k++) json_array_append_new(list, json_integer(in->ids[k]));
        json_array_append_new(ids, in->ids ? list : json_null());
        if (!in->ids) json_decref(list);
    }
    json_object_set_new(request, "prompts", prompts);
    json_object_set_new(request, "completions", completions);
    json_object_set_new(request, "completion_ids", ids);
    columns_add(request, g);
    if (g->n && g->in[0].params) json_object_update_missing(request, (json_t *)g->in[0].params);
    if (state) json_object_set(request, "trainer_state", (json_t *)state);
    char *text = json_text(request);
    json_decref(request);
    return text;
}

/* Where a None of a Python function was a NaN. */
static void nans_read(struct reward_use *u, const json_t *answer, const struct reward_group *g)
{
    const json_t *rewards = json_object_get(answer, "rewards"), *item;
    size_t k;
    json_array_foreach(json_object_get(answer, "nan"), k, item)
    {
        json_int_t i = json_is_integer(item) ? json_integer_value(item) : -1;
        if (i < 0 || i >= g->n || !json_is_null(json_array_get(rewards, (size_t)i))) continue;
        reward_unjudged(&g->out[i], "%s said NaN, which counts as None", u->metric);
        u->nans++;
    }
}

static int answer_read(struct reward_use *u, const json_t *answer, const struct reward_group *g,
                       struct err *e)
{
    const json_t *error = json_object_get(answer, "error"), *rewards = json_object_get(answer, "rewards");
    if (json_is_string(error)) return err_set(e, "reward %s: %s", u->name, json_string_value(error));
    if (!json_is_array(rewards)) return err_set(e, "reward %s answered without a list \"rewards\"", u->name);
    if (json_array_size(rewards) != (size_t)g->n)
        return err_set(e, "reward %s returned %zu rewards for %d completions", u->name,
                       json_array_size(rewards), g->n);
    for (int i = 0; i < g->n; i++) {
        const json_t *v = json_array_get(rewards, (size_t)i);
        if (json_is_null(v))
            reward_unjudged(&g->out[i], "%s said nothing", u->metric);
        else if (!json_is_number(v) || !isfinite(json_number_value(v)))
            return err_set(e, "reward %s: reward %d is neither a finite number nor null", u->name, i);
        else
            reward_give(&g->out[i], json_number_value(v), "said by %.200s", u->name);
        reward_end(&g->in[i], &g->out[i]);
    }
    nans_read(u, answer, g);
    return 0;
}

static int program_score(struct reward_use *u, const struct reward_group *groups, int n, const json_t *state,
                         struct err *e)
{
    char **requests = alloc_zero((size_t)n + 1, sizeof *requests);
    json_t **answers = alloc_zero((size_t)n + 1, sizeof *answers);
    for (int g = 0; g < n; g++) requests[g] = request_text(&groups[g], state);
    int rc = workers_ask(u->workers, requests, n, answers, e);
    bool answered = !rc;
    for (int g = 0; g < n; g++) {
        if (!rc) rc = answer_read(u, answers[g], &groups[g], e);
        if (answered) json_decref(answers[g]);
        free(requests[g]);
    }
    free(requests);
    free(answers);
    return rc;
}

int reward_groups(struct reward_use *u, const struct reward_group *groups, int n, const json_t *state,
                  struct err *e)
{
    u->nans = 0;
    if (!u->row) return program_score(u, groups, n, state, e);
    rows_score(u, groups, n);
    return 0;
}
