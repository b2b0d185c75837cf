/* cmd_reward.c: `openr1 reward NAME`: score completions written in a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "reward/reward.h"

static const struct opt reward_options[] = {
    {.key = "name", .type = OPT_STR, .help = "which reward", .flags = OPT_POSITIONAL | OPT_REQUIRED},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"completions\",columns...,\"params\"}, one a line; - is standard input"},
    {.key = "params", .type = OPT_MAP, .help = "parameters of the reward; a record's own \"params\" win"},
    {.key = "reasons",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "add \"reasons\", one line for each reward: what was found, which rule decided"},
    {.key = "explain",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "add \"explain\", for each reward the list of lines that lead to it: what was found where, the "
             "numbers put into the formula, the formula; with --completion: print them"},
    {.key = "completion", .type = OPT_STR, .help = "one completion instead of a file"},
    {.key = "row",
     .type = OPT_MAP,
     .help = "with --completion: the columns of its row, as {\"solution\": \"6\"}"},
    {.key = "examples",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "score the reward's worked examples instead of a file"},
    {.key = "reward_timeout",
     .type = OPT_REAL,
     .fallback = "600",
     .lo = 0.001,
     .hi = 1e6,
     .help = "seconds that a program of yours has for one record"},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const reward_tables[] = {reward_options, NULL};

#define EXPLAIN_MAX ((size_t)64 << 10) /* bytes of the explanation of one reward */

struct job {
    struct reward_use *use;
    json_t *params;
    bool reasons, explain;
};

/* A completion is a string, or a message list: text rewards read the first message. */
static const char *completion_text(json_t *v)
{
    if (json_is_array(v)) v = json_object_get(json_array_get(v, 0), "content");
    return json_str_flat(v);
}

static bool is_column(const char *key)
{
    return strcmp(key, "completions") != 0 && strcmp(key, "params") != 0;
}

/* A column is a list with a value for each completion, or one value that is no list for all. A prompt may be
 * a list of messages, which all completions share. */
static int columns_check(const json_t *record, size_t n, struct err *e)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)record, key, v)
    {
        bool prompt = strcmp(key, "prompt") == 0 || strcmp(key, "prompts") == 0;
        bool messages = prompt && json_is_object(json_array_get(v, 0));
        bool free_of = !is_column(key) || strcmp(key, "id") == 0;
        if (free_of || !json_is_array(v) || json_array_size(v) == n || messages) continue;
        return err_set(e,
                       "column \"%.60s\" has %zu values for %zu completions; it must be a list of one value "
                       "for each, or a single value for all",
                       key, json_array_size(v), n);
    }
    return 0;
}

/* Row i of the record: of a list as long as the completions its i-th item, of anything else the whole. */
static json_t *row_of(const json_t *record, size_t i, size_t n)
{
    json_t *row = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)record, key, value)
    {
        if (!is_column(key)) continue;
        bool list = json_is_array(value) && json_array_size(value) == n;
        json_object_set(row, key, list ? json_array_get(value, i) : value);
    }
    return row;
}

/* The completions of a record as one group. One that is no text is not judged and not in the group. */
struct batch {
    int n, size; /* in the group; in the record */
    int *place;  /* of each completion in the group; -1: not there */
    struct reward_input *in;
    struct reward_result *out;
    json_t **rows;
    int **ids;
    struct str *steps; /* NULL: not wanted */
};

/* Completion i of the record as the next of the group, if it is text. */
static void item_read(struct batch *b, const json_t *record, int i)
{
    json_t *v = json_array_get(json_object_get(record, "completions"), (size_t)i);
    int at = completion_text(v) ? b->n++ : -1;
    b->place[i] = at;
    if (at < 0) return;
    struct reward_input *in = &b->in[at];
    json_t *row = b->rows[at] = row_of(record, (size_t)i, (size_t)b->size);
    const json_t *ids = json_object_get(row, "completion_ids"), *prompt = json_object_get(row, "prompts");
    *in = (struct reward_input){.text = completion_text(v), .row = row, .n_ids = -1};
    in->prompt = prompt ? prompt : json_object_get(row, "prompt");
    in->completion = json_is_array(v) ? v : NULL;
    if (b->steps) {
        in->steps = &b->steps[at];
        str_init(in->steps, EXPLAIN_MAX);
    }
    if (!json_is_array(ids)) return;
    in->n_ids = (int)json_array_size(ids);
    b->ids[at] = alloc_zero((size_t)in->n_ids + 1, sizeof **b->ids);
    for (int k = 0; k < in->n_ids; k++)
        b->ids[at][k] = (int)json_integer_value(json_array_get(ids, (size_t)k));
    in->ids = b->ids[at];
}

static void batch_release(struct batch *b)
{
    for (int i = 0; i < b->n; i++) {
        json_decref(b->rows[i]);
        free(b->ids[i]);
        if (b->steps) str_release(&b->steps[i]);
    }
    free(b->steps);
    free(b->in);
    free(b->out);
    free(b->rows);
    free(b->ids);
    free(b->place);
}

static int batch_read(struct batch *b, const json_t *record, const json_t *params, bool explain,
                      struct err *e)
{
    const json_t *completions = json_object_get(record, "completions");
    if (!json_is_array(completions) || json_array_size(completions) > 1 << 24)
        return err_set(e, "\"completions\" must be a list of strings or message lists");
    if (columns_check(record, json_array_size(completions), e)) return -1;
    b->size = (int)json_array_size(completions);
    size_t n = (size_t)b->size + 1;
    b->in = alloc_zero(n, sizeof *b->in);
    b->out = alloc_zero(n, sizeof *b->out);
    b->rows = alloc_zero(n, sizeof *b->rows);
    b->ids = alloc_zero(n, sizeof *b->ids);
    b->place = alloc_zero(n, sizeof *b->place);
    b->steps = explain ? alloc_zero(n, sizeof *b->steps) : NULL;
    for (int i = 0; i < b->size; i++) item_read(b, record, i);
    for (int i = 0; i < b->n; i++) b->in[i].params = params;
    return 0;
}

static json_t *batch_answer(const struct batch *b, const struct job *j)
{
    static const char no_text[] = "neither a string nor a message list with a text";
    json_t *rewards = json_array(), *reasons = json_array(), *explain = json_array();
    json_t *out = json_pack("{s:o}", "rewards", rewards);
    for (int i = 0; i < b->size; i++) {
        const struct reward_result *r = b->place[i] < 0 ? NULL : &b->out[b->place[i]];
        json_array_append_new(rewards, r && r->judged ? json_real(r->value) : json_null());
        json_array_append_new(reasons, json_string(r ? r->reason : no_text));
        json_array_append_new(explain, lines_json(r && b->steps ? b->steps[b->place[i]].p : ""));
        if (!r && !json_object_get(out, "error"))
            json_object_set_new(out, "error", json_sprintf("completion %d is %s", i, no_text));
    }
    if (j->reasons) json_object_set(out, "reasons", reasons);
    if (j->explain) json_object_set(out, "explain", explain);
    json_decref(reasons);
    json_decref(explain);
    return out;
}

static json_t *reward_record(void *ctx, const json_t *record, struct err *e)
{
    const struct job *j = ctx;
    json_t *params = json_deep_copy(j->params), *out = NULL;
    struct batch b = {0};
    json_object_update(params, json_object_get(record, "params"));
    int rc = reward_of(j->use) ? reward_params_check(reward_of(j->use), params, e) : 0;
    if (!rc) rc = batch_read(&b, record, params, j->explain, e);
    const struct reward *w = reward_of(j->use);
    if (!rc && b.n == 0 && w && w->score_group && json_object_get(params, "compat"))
        rc = err_set(e, "no completions: Open-R1's %s fails (min() arg is an empty sequence)", w->metric);
    struct reward_group group = {.in = b.in, .out = b.out, .n = b.n};
    if (!rc) rc = reward_groups(j->use, &group, 1, NULL, e);
    if (!rc) out = batch_answer(&b, j);
    batch_release(&b);
    json_decref(params);
    return out;
}

/* One completion and its row as a record. */
static json_t *record_of_one(const char *completion, const json_t *row)
{
    json_t *record = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)row, key, value)
        json_object_set_new(record, key, json_is_array(value) ? json_pack("[O]", value) : json_incref(value));
    json_object_set_new(record, "completions", json_pack("[s]", completion));
    return record;
}

/* What the reward does, and its worked examples as records and answers in one. */
static int examples_show(struct job *j, const char *path, struct err *e)
{
    const struct reward *w = reward_of(j->use);
    struct lines out;
    int rc = 0;
    if (!w) return err_usage(e, "a program of yours has no worked examples");
    if (lines_open(&out, path, e)) return -1;
    j->reasons = true;
    for (int i = 0; i < w->n_examples && !rc; i++) {
        const struct reward_example *x = &w->examples[i];
        json_t *row = json_read_bytes(x->row, strlen(x->row), w->name, e), *answer = NULL;
        json_t *params =
            x->params ? json_read_bytes(x->params, strlen(x->params), w->name, e) : json_object();
        json_t *record = record_of_one(x->completion, row);
        json_decref(row);
        json_object_set_new(record, "params", params);
        answer = reward_record(j, record, e);
        rc = answer ? 0 : -1;
        if (!rc) {
            json_object_update(record, answer);
            rc = lines_put(&out, json_incref(record), e);
        }
        json_decref(answer);
        json_decref(record);
    }
    return lines_close(&out, rc, e);
}

/* The reward of one completion, behind its explanation where that is wanted. */
static int one_show(struct job *j, const char *completion, const json_t *row, struct err *e)
{
    json_t *record = record_of_one(completion, row), *line;
    size_t i;
    j->reasons = true;
    json_t *answer = reward_record(j, record, e);
    json_decref(record);
    if (!answer) return -1;
    json_array_foreach(json_array_get(json_object_get(answer, "explain"), 0), i, line)
        printf("%s\n", json_string_value(line));
    char *value = json_text(json_array_get(json_object_get(answer, "rewards"), 0));
    puts(value);
    log_info("%s", json_string_value(json_array_get(json_object_get(answer, "reasons"), 0)));
    free(value);
    json_decref(answer);
    return 0;
}

static int reward_run(struct conf *c, struct err *e)
{
    struct job j = {.reasons = conf_bool(c, "reasons"), .explain = conf_bool(c, "explain")};
    struct reward_opts o = {.limit_s = conf_real(c, "reward_timeout")};
    const char *in = conf_str(c, "jsonl"), *out = conf_str(c, "out");
    const char *completion = conf_str(c, "completion");
    json_t *row = conf_map(c, "row");
    bool examples = conf_bool(c, "examples");
    int rc;
    j.params = conf_map(c, "params");
    if (!j.params) j.params = json_object();
    j.use = reward_open(conf_str(c, "name"), j.params, &o, e);
    struct lines_job job = {.in = in, .out = out, .f = reward_record, .ctx = &j, .counted = true};
    if (!j.use)
        rc = -1;
    else if (examples + (in != NULL) + (completion != NULL) != 1)
        rc = err_usage(e, "give one of --jsonl FILE, --completion TEXT and --examples");
    else if (row && !completion)
        rc = err_usage(e, "--row goes with --completion; the rows of a file stand in it");
    else if (examples)
        rc = examples_show(&j, out, e);
    else
        rc = in ? lines_map(&job, e) : one_show(&j, completion, row, e);
    reward_close(j.use);
    json_decref(row);
    json_decref(j.params);
    return rc;
}

/* The rewards, each with its parameters. */
static void reward_help(struct str *s)
{
    str_puts(s, "Rewards:\n");
    for (const struct reward *const *w = reward_all(); *w; w++) {
        str_addf(s, "  %-26s %s\n", (*w)->name, (*w)->help);
        for (const struct reward_param *p = (*w)->params; p && p->name; p++) {
            str_addf(s, "    %-24s %s", p->name, p->help);
            if (p->type == PARAM_TEXT && p->text) str_addf(s, " (%s)", p->text);
            if (p->type == PARAM_NUMBER || p->type == PARAM_INT) str_addf(s, " (%g)", p->number);
            str_puts(s, "\n");
        }
    }
}

const struct cmd cmd_reward = {
    .name = "reward",
    .summary = "score completions with a reward",
    .details =
        "Answers each record {\"id\",\"completions\":[string or message list],\"solution\":[...],other "
        "columns as lists}\nwith {\"id\",\"rewards\":[number or null]}; null means that it could not be "
        "judged. The "
        "completions of a record\nare those of one prompt. NAME is a reward of the list below, the name of "
        "Open-R1's or "
        "TRL's function for it\n(accuracy_reward), your own TRL reward function (./my_reward.py:score, "
        "my.module.score), or an executable\n(./score) that reads such records and answers them, "
        "one a "
        "line. {\"compat\":\"open-r1\"} in the\nparameters gives Open-R1's numbers where docs/rewards.md "
        "says that "
        "ours differ.\n\n"
        "  openr1 reward accuracy --completion 'so \\boxed{6}' --row '{\"solution\": \"6\"}' --explain\n"
        "  openr1 reward accuracy --jsonl completions.jsonl --params '{\"mode\":\"any\"}' --reasons\n"
        "  openr1 reward cosine --examples\n"
        "  openr1 reward ./my_reward.py:score --jsonl completions.jsonl",
    .more = reward_help,
    .tables = reward_tables,
    .run = reward_run,
};
