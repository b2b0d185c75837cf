/* rollout.c: a window of completions: kept, hashed, written into a checkpoint and read back to the last bit.
 *
 * rollouts.jsonl holds one prompt a line. Log-probs are floats written with 17 digits, which is exact; a
 * reward of None is null. Entropies are not kept: only the first step after sampling asks for them, and a
 * checkpoint before it holds no window.
 */
#include "train/grpo_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

void rollouts_init(struct rollouts *r, int n_groups, int group, int n_funcs)
{
    *r = (struct rollouts){.window = -1, .groups = n_groups, .group = group, .n_funcs = n_funcs};
    size_t groups = (size_t)r->groups, n = groups * (size_t)r->group, cells = n * (size_t)n_funcs;
    r->prompts = alloc_zero(groups, sizeof *r->prompts);
    r->out = alloc_zero(groups, sizeof *r->out);
    r->rewards = alloc_zero(cells, sizeof *r->rewards);
    r->reasons = alloc_zero(cells, REASON_MAX);
    r->totals = alloc_zero(n, sizeof *r->totals);
    r->advantages = alloc_zero(n, sizeof *r->advantages);
    r->ref = alloc_zero(n, sizeof *r->ref);
}

void rollouts_clear(struct rollouts *r)
{
    for (int i = 0; i < r->groups; i++) {
        if (r->out && r->out[i].c) group_release(&r->out[i]);
        for (int k = 0; k < r->group; k++) {
            double **ref = &r->ref[(size_t)i * (size_t)r->group + (size_t)k];
            free(*ref);
            *ref = NULL;
        }
    }
    r->window = -1;
    r->sampled = r->rounds = 0;
    r->extra_tokens = r->generate_s = r->score_s = 0;
}

void rollouts_release(struct rollouts *r)
{
    if (r->out) rollouts_clear(r);
    free(r->prompts);
    free(r->out);
    free(r->rewards);
    free(r->reasons);
    free(r->totals);
    free(r->advantages);
    free(r->ref);
    *r = (struct rollouts){0};
}

const struct completion *rollouts_at(const struct rollouts *r, int i)
{
    return &r->out[i / r->group].c[i % r->group];
}

double *rollouts_ref(struct rollouts *r, int i)
{
    if (!r->ref[i]) r->ref[i] = alloc_zero((size_t)rollouts_at(r, i)->n + 1, sizeof **r->ref);
    return r->ref[i];
}

void rollouts_hash(const struct rollouts *r, int first, int n, char ids[HASH_HEX], char rewards[HASH_HEX])
{
    struct hash *a = hash_new(), *b = hash_new();
    for (int i = first; i < first + n; i++) {
        const struct completion *c = rollouts_at(r, i);
        hash_add(a, &c->n, sizeof c->n);
        hash_add(a, c->ids, (size_t)c->n * sizeof *c->ids);
        hash_add(a, c->logps, (size_t)c->n * sizeof *c->logps);
    }
    /* A None is hashed as a word, since not every NaN has the same bits. */
    for (size_t i = (size_t)first * (size_t)r->n_funcs; i < (size_t)(first + n) * (size_t)r->n_funcs; i++) {
        if (isnan(r->rewards[i]))
            hash_add(b, "none", 4);
        else
            hash_add(b, &r->rewards[i], sizeof r->rewards[i]);
    }
    hash_end(a, ids);
    hash_end(b, rewards);
}

/* ---- metrics of a fresh window, by TRL's names ----------------------------------------------------- */

struct lengths {
    double sum, min, max;
    int n;
};

static void length_add(struct lengths *l, double x)
{
    l->sum += x;
    if (l->n == 0 || x < l->min) l->min = x;
    if (l->n == 0 || x > l->max) l->max = x;
    l->n++;
}

static void put(json_t *m, const char *format, const char *name, double x)
{
    char key[160];
    snprintf(key, sizeof key, format, name);
    json_object_set_new(m, key, number_json(x));
}

static void put_lengths(json_t *m, const char *format, const struct lengths *l)
{
    put(m, format, "mean", l->n ? l->sum / l->n : 0);
    put(m, format, "min", l->min);
    put(m, format, "max", l->max);
}

void rollouts_metrics(const struct rollouts *r, const struct scorer *s, json_t *m)
{
    int n = r->groups * r->group;
    struct lengths all = {0}, ended = {0};
    for (int i = 0; i < n; i++) {
        const struct completion *c = rollouts_at(r, i);
        length_add(&all, c->n);
        if (c->finish != FINISH_LENGTH) length_add(&ended, c->n);
    }
    put_lengths(m, "completions/%s_length", &all);
    put(m, "completions/%s", "clipped_ratio", 1 - (double)ended.n / n);
    put_lengths(m, "completions/%s_terminated_length", &ended);
    for (int k = 0; k < s->n; k++) {
        struct nan_stats stats = nan_stats(r->rewards + k, n, s->n);
        put(m, "rewards/%s/mean", scorer_metric(s, k), stats.mean);
        put(m, "rewards/%s/std", scorer_metric(s, k), stats.std);
    }
    put(m, "%s", "reward", r->stats.reward_mean);
    put(m, "%s", "reward_std", r->stats.reward_std);
    put(m, "%s", "frac_reward_zero_std", r->stats.frac_zero_std);
}

bool rollouts_flat(const struct rollouts *r, const struct scorer *s, int slot)
{
    size_t first = (size_t)slot * (size_t)r->group, n = (size_t)r->n_funcs;
    if (!s->normalize_then_sum) return !(nan_stats(r->totals + first, r->group, 1).std > 0);
    for (int k = 0; k < r->n_funcs; k++)
        if (s->weights[k] != 0 && nan_stats(r->rewards + first * n + k, r->group, r->n_funcs).std > 0)
            return false;
    return true;
}

struct tally rollouts_tally(const struct rollouts *r, const struct scorer *s)
{
    struct tally out = {0};
    double n = r->groups * r->group;
    for (int slot = 0; slot < r->groups; slot++) {
        int passed = 0;
        for (int i = slot * r->group; i < (slot + 1) * r->group; i++) {
            passed += scorer_passes(s, r, i);
            out.cut += (rollouts_at(r, i)->finish == FINISH_LENGTH) / n;
            out.length += rollouts_at(r, i)->n / n;
        }
        out.pass_1 += passed / n;
        out.pass_k += (double)(passed > 0) / r->groups;
        out.varied += (double)!rollouts_flat(r, s, slot) / r->groups;
    }
    return out;
}

/* ---- saving ---------------------------------------------------------------------------------------- */

/* The sets that tokens were drawn from, a list each. */
static json_t *sets_json(const struct completion *c)
{
    json_t *sets = json_array();
    size_t at = 0;
    for (int t = 0; t < c->n; t++) {
        json_t *set = json_array();
        for (; at < c->set_ends[t]; at++) json_array_append_new(set, json_integer(c->set_ids[at]));
        json_array_append_new(sets, set);
    }
    return sets;
}

static json_t *completion_json(const struct rollouts *r, int i)
{
    const struct completion *c = rollouts_at(r, i);
    json_t *ids = json_array(), *logps = json_array(), *ref = json_array(), *rewards = json_array();
    json_t *reasons = json_array();
    for (int t = 0; t < c->n; t++) {
        json_array_append_new(ids, json_integer(c->ids[t]));
        json_array_append_new(logps, json_real((double)c->logps[t]));
        if (r->ref[i]) json_array_append_new(ref, json_real(r->ref[i][t]));
    }
    for (int k = 0; k < r->n_funcs; k++) {
        size_t cell = (size_t)i * (size_t)r->n_funcs + (size_t)k;
        json_array_append_new(rewards, number_json(r->rewards[cell]));
        json_array_append_new(reasons, json_string(r->reasons + cell * REASON_MAX));
    }
    json_t *o = json_object();
    json_object_set_new(o, "ids", ids);
    json_object_set_new(o, "logps", logps);
    json_object_set_new(o, "ref", ref);
    if (c->set_ends) json_object_set_new(o, "sets", sets_json(c));
    json_object_set_new(o, "truncated", json_boolean(c->finish == FINISH_LENGTH));
    json_object_set_new(o, "text", json_string(c->text));
    json_object_set_new(o, "rewards", rewards);
    json_object_set_new(o, "reasons", reasons);
    json_object_set_new(o, "total", number_json(r->totals[i]));
    json_object_set_new(o, "advantage", json_real(r->advantages[i]));
    return o;
}

int rollouts_save(const struct rollouts *r, const char *path, struct err *e)
{
    struct file_out out;
    if (file_out_open(&out, path, e)) return -1;
    int failed = 0;
    for (int g = 0; g < r->groups && !failed; g++) {
        json_t *list = json_array();
        for (int k = 0; k < r->group; k++) json_array_append_new(list, completion_json(r, g * r->group + k));
        json_t *line = json_object();
        json_object_set_new(line, "window", json_integer(r->window));
        json_object_set_new(line, "prompt", json_integer(r->prompts[g]));
        json_object_set_new(line, "completions", list);
        char *text = json_text(line);
        failed = file_out_write(&out, text, strlen(text), e) || file_out_write(&out, "\n", 1, e);
        free(text);
        json_decref(line);
    }
    if (failed) {
        file_out_abort(&out);
        return -1;
    }
    return file_out_commit(&out, e);
}

static double number_or_nan(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Each ascending, and with the token that was drawn. */
static int load_sets(struct completion *c, int i, const json_t *sets, struct err *e)
{
    size_t total = 0, at = 0;
    if (!sets) return 0;
    if (json_array_size(sets) != (size_t)c->n)
        return err_set(e, "completion %d: ids and sets differ in length", i);
    for (size_t t = 0; t < (size_t)c->n; t++) total += json_array_size(json_array_get(sets, t));
    c->set_ids = alloc_zero(total + 1, sizeof *c->set_ids);
    c->set_ends = alloc_zero((size_t)c->n + 1, sizeof *c->set_ends);
    for (size_t t = 0; t < (size_t)c->n; t++) {
        const json_t *set = json_array_get(sets, t), *id;
        bool found = json_array_size(set) == 0;
        size_t k;
        json_array_foreach(set, k, id)
        {
            c->set_ids[at] = (int)json_integer_value(id);
            if (k > 0 && c->set_ids[at] <= c->set_ids[at - 1])
                return err_set(e, "completion %d: the set of token %zu is not ascending", i, t);
            found = found || c->set_ids[at] == c->ids[t];
            at++;
        }
        if (!found) return err_set(e, "completion %d: token %zu is not in its set", i, t);
        c->set_ends[t] = at;
    }
    return 0;
}

static int load_completion(struct rollouts *r, int i, const json_t *o, struct err *e)
{
    struct completion *c = &r->out[i / r->group].c[i % r->group];
    const json_t *ids = json_object_get(o, "ids"), *logps = json_object_get(o, "logps"),
                 *ref = json_object_get(o, "ref");
    size_t n = json_array_size(ids);
    if (n > (size_t)1 << 24 || json_array_size(logps) != n ||
        (json_array_size(ref) && json_array_size(ref) != n))
        return err_set(e, "completion %d: ids, logps and ref differ in length", i);
    c->n = (int)n;
    c->ids = alloc_zero(n + 1, sizeof *c->ids);
    c->logps = alloc_zero(n + 1, sizeof *c->logps);
    c->text = alloc_str(json_str_or(o, "text", ""));
    c->finish = json_is_true(json_object_get(o, "truncated")) ? FINISH_LENGTH : FINISH_STOP;
    if (json_array_size(ref)) r->ref[i] = alloc_zero(n + 1, sizeof **r->ref);
    for (size_t t = 0; t < n; t++) {
        c->ids[t] = (int)json_integer_value(json_array_get(ids, t));
        c->logps[t] = (float)json_number_value(json_array_get(logps, t));
        if (r->ref[i]) r->ref[i][t] = json_number_value(json_array_get(ref, t));
    }
    for (int k = 0; k < r->n_funcs; k++) {
        size_t cell = (size_t)i * (size_t)r->n_funcs + (size_t)k;
        const char *reason = json_string_value(json_array_get(json_object_get(o, "reasons"), (size_t)k));
        r->rewards[cell] = number_or_nan(json_array_get(json_object_get(o, "rewards"), (size_t)k));
        snprintf(r->reasons + cell * REASON_MAX, REASON_MAX, "%s", reason ? reason : "");
    }
    if (load_sets(c, i, json_object_get(o, "sets"), e)) return -1;
    r->totals[i] = number_or_nan(json_object_get(o, "total"));
    r->advantages[i] = json_number_value(json_object_get(o, "advantage"));
    return 0;
}

static int load_group(struct rollouts *r, int g, const json_t *line, int n_prompts, struct err *e)
{
    const json_t *list = json_object_get(line, "completions");
    long prompt, window;
    if (json_get_int(line, "prompt", "rollouts.jsonl", &prompt, e)) return -1;
    if (json_get_int(line, "window", "rollouts.jsonl", &window, e)) return -1;
    if (g >= r->groups || json_array_size(list) != (size_t)r->group || prompt < 0 || prompt >= n_prompts)
        return err_set(
            e, "group %d: %zu completions of prompt %ld; expected %d groups of %d completions, %d prompts", g,
            json_array_size(list), prompt, r->groups, r->group, n_prompts);
    r->window = window;
    r->prompts[g] = (int)prompt;
    r->out[g] = (struct group){.c = alloc_zero((size_t)r->group, sizeof *r->out[g].c), .n = r->group};
    for (int k = 0; k < r->group; k++)
        if (load_completion(r, g * r->group + k, json_array_get(list, (size_t)k), e)) return -1;
    return 0;
}

int rollouts_load(struct rollouts *r, const char *path, int n_prompts, struct err *e)
{
    struct jsonl in;
    json_t *line;
    int g = 0, status;
    rollouts_clear(r);
    if (jsonl_open(&in, path, e)) return -1;
    while ((status = jsonl_next(&in, &line, e)) == 1) {
        status = load_group(r, g++, line, n_prompts, e);
        json_decref(line);
        if (status) break;
    }
    jsonl_close(&in);
    if (status == 0 && g != r->groups) status = err_set(e, "%d groups, expected %d", g, r->groups);
    if (status) {
        rollouts_clear(r);
        return err_wrap(e, "%s", path);
    }
    return 0;
}
