/* cmd_reward.c: `openr1 reward NAME`: score completions written in a file. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "reward/reward.h"

static const struct opt reward_options[] = {
    {.key = "name", .type = OPT_STR, .help = "which reward", .flags = OPT_POSITIONAL | OPT_REQUIRED},
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"completions\",columns...,\"params\"}, one a line; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "params", .type = OPT_MAP, .help = "parameters of the reward; a record's own \"params\" win"},
    {.key = "reasons",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "add \"reasons\", one line for each reward"},
    {.key = "out", .type = OPT_STR, .help = "file for the results (default: standard output)"},
    {0}};
static const struct opt *const reward_tables[] = {reward_options, NULL};

struct job {
    const struct reward *reward;
    json_t *params;
    bool reasons;
};

/* A completion is a string, or a message list whose first message has the text. */
static const char *completion_text(const json_t *v)
{
    if (json_is_array(v)) v = json_object_get(json_array_get(v, 0), "content");
    return json_string_value(v);
}

/* Row i of the record: of a list as long as the completions its i-th item, of anything else the whole. */
static json_t *row_of(const json_t *record, size_t i, size_t n)
{
    json_t *row = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)record, key, value)
    {
        if (strcmp(key, "id") == 0 || strcmp(key, "completions") == 0 || strcmp(key, "params") == 0) continue;
        bool list = json_is_array(value) && json_array_size(value) == n;
        json_object_set(row, key, list ? json_array_get(value, i) : value);
    }
    return row;
}

static json_t *reward_record(void *ctx, const json_t *record, struct err *e)
{
    const struct job *j = ctx;
    const json_t *completions = json_object_get(record, "completions");
    if (!json_is_array(completions)) {
        err_set(e, "\"completions\" must be a list of strings or message lists");
        return NULL;
    }
    json_t *params = json_deep_copy(j->params), *rewards = json_array(), *reasons = json_array(), *out = NULL;
    json_object_update(params, json_object_get(record, "params"));
    size_t n = json_array_size(completions), i;
    json_t *completion;
    json_array_foreach((json_t *)completions, i, completion)
    {
        struct reward_result r = {0};
        struct reward_input in = {.text = completion_text(completion), .params = params, .n_ids = -1};
        if (!in.text) {
            err_set(e, "completion %zu is neither a string nor a message list with a text", i);
            goto out;
        }
        json_t *row = row_of(record, i, n), *ids = json_object_get(row, "completion_ids");
        in.row = row;
        if (json_is_array(ids)) in.n_ids = (int)json_array_size(ids);
        j->reward->score(&in, &r);
        json_array_append_new(rewards, r.judged ? json_real(r.value) : json_null());
        json_array_append_new(reasons, json_string(r.reason));
        json_decref(row);
    }
    out = json_pack("{s:O}", "rewards", rewards);
    if (j->reasons) json_object_set(out, "reasons", reasons);
out:
    json_decref(params);
    json_decref(rewards);
    json_decref(reasons);
    return out;
}

static int reward_run(struct conf *c, struct err *e)
{
    struct job j = {.reward = reward_find(conf_str(c, "name"), e), .reasons = conf_bool(c, "reasons")};
    if (!j.reward) return -1;
    j.params = conf_map(c, "params");
    if (!j.params) j.params = json_object();
    struct lines_job job = {
        .in = conf_str(c, "jsonl"), .out = conf_str(c, "out"), .f = reward_record, .ctx = &j};
    int rc = lines_map(&job, e);
    json_decref(j.params);
    return rc;
}

const struct cmd cmd_reward = {
    .name = "reward",
    .summary = "score completions with a reward",
    .details =
        "Answers each record {\"id\",\"completions\":[string or message list],\"solution\":[...],other "
        "columns "
        "as lists}\nwith {\"id\",\"rewards\":[number or null]}; null means that it could not be judged. "
        "Rewards: accuracy,\nformat, tag_count, countdown, exact, code, binary_code,\ncode_format, ioi_code, "
        "cf_code.\n\n"
        "  openr1 reward accuracy --jsonl completions.jsonl --params '{\"mode\":\"any\"}' --reasons",
    .tables = reward_tables,
    .run = reward_run,
};
