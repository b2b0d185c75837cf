/* cmd_data_filter.c: `openr1 data filter`: rejection sampling over what `generate` wrote. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "curate/curate.h"
#include "data/data.h"

static const struct opt filter_options[] = {
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records {\"id\",\"completions\"} as `generate` writes them; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "dataset_name",
     .type = OPT_STR,
     .help =
         "the rows that were asked, joined by id (default: the records hold prompt and columns themselves)"},
    {.key = "split", .type = OPT_STR, .help = "part of the dataset (default: train)"},
    {.key = "reward",
     .type = OPT_STR,
     .fallback = "accuracy",
     .help = "what a completion must pass, by name as in `openr1 reward`"},
    {.key = "params", .type = OPT_MAP, .help = "parameters of the reward"},
    {.key = "min", .type = OPT_REAL, .fallback = "1", .help = "least reward that passes"},
    {.key = "keep",
     .type = OPT_STR,
     .fallback = "first",
     .help = "which of a prompt's passing completions",
     .choices = "first|all|shortest"},
    {.key = "max_per_prompt",
     .type = OPT_INT,
     .fallback = "0",
     .help = "at most so many of a prompt; 0: no bound (shortest: 1)",
     .lo = 0,
     .hi = 1 << 20},
    {.key = "keep_truncated",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "completions cut off by length, too"},
    {.key = "prompt_column",
     .type = OPT_STR,
     .help = "column of the prompt (default: prompt, messages or question)"},
    {.key = "system_prompt",
     .type = OPT_STR,
     .help = "put in front of the kept conversations, as it was for sampling"},
    {.key = "apply_chat_template",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "write a prompt string as one user message, as it was asked"},
    {.key = "out", .type = OPT_STR, .help = "file for the rows (default: standard output)"},
    {0}};
static const struct opt *const filter_tables[] = {filter_options, NULL};

struct job {
    struct reject_opts o;
    struct reject_counts counts;
    struct dataset rows;
    json_t *params, *index;
};

static int options_read(struct job *j, struct conf *c, struct err *e)
{
    const char *keep = conf_str(c, "keep"), *dataset = conf_str(c, "dataset_name"),
               *split = conf_str(c, "split");
    j->params = conf_map(c, "params");
    j->o = (struct reject_opts){.reward = reward_open(conf_str(c, "reward"), j->params, NULL, e),
                                .params = j->params,
                                .min = conf_real(c, "min"),
                                .keep = strcmp(keep, "all") == 0        ? KEEP_ALL
                                        : strcmp(keep, "shortest") == 0 ? KEEP_SHORTEST
                                                                        : KEEP_FIRST,
                                .max_per_prompt = (int)conf_int(c, "max_per_prompt"),
                                .keep_truncated = conf_bool(c, "keep_truncated"),
                                .prompt_column = conf_str(c, "prompt_column"),
                                .system_prompt = conf_str(c, "system_prompt"),
                                .apply_chat = conf_bool(c, "apply_chat_template")};
    if (!j->o.reward) return -1;
    if (j->o.keep == KEEP_SHORTEST && !j->o.max_per_prompt) j->o.max_per_prompt = 1;
    if (!dataset) return 0;
    if (dataset_open(&j->rows, dataset, split ? split : "train", e)) return -1;
    j->index = rows_by_id(j->rows.rows, e);
    return j->index ? 0 : err_wrap(e, "%s", dataset);
}

static int record_filter(struct job *j, const json_t *record, struct lines *out, struct err *e)
{
    const json_t *id = json_object_get(record, "id"), *row = j->index ? row_with_id(j->index, id) : record;
    json_t *kept = json_array(), *one;
    size_t i;
    int rc;
    if (row) {
        rc = reject_row(row, json_object_get(record, "completions"), &j->o, kept, &j->counts, e);
    } else {
        char *text = id ? json_text(id) : NULL;
        rc = err_set(e, "the dataset has no row with id %s", text ? text : "(none)");
        free(text);
    }
    json_array_foreach(kept, i, one)
    {
        if (!rc) rc = lines_put(out, json_incref(one), e);
    }
    json_decref(kept);
    return rc;
}

static int filter_all(struct job *j, const char *path, struct lines *out, struct err *e)
{
    struct jsonl in;
    json_t *record;
    int rc;
    if (jsonl_open(&in, path, e)) return -1;
    while ((rc = jsonl_next(&in, &record, e)) == 1) {
        rc = record_filter(j, record, out, e);
        json_decref(record);
        if (!rc) continue;
        err_wrap(e, "%s:%ld", path, in.line);
        break;
    }
    jsonl_close(&in);
    if (!rc && !j->counts.kept)
        rc = err_set(
            e, "%s: of %ld completions none passed %s >= %g (%ld could not be judged, %ld were cut off)",
            path, j->counts.completions, reward_metric(j->o.reward), j->o.min, j->counts.unjudged,
            j->counts.truncated);
    return rc;
}

static int filter_run(struct conf *c, struct err *e)
{
    struct job j = {0};
    struct lines out;
    int rc = options_read(&j, c, e);
    if (!rc) rc = lines_open(&out, conf_str(c, "out"), e);
    if (!rc) rc = lines_close(&out, filter_all(&j, conf_str(c, "jsonl"), &out, e), e);
    const struct reject_counts *n = &j.counts;
    if (!rc)
        log_info("kept %ld of %ld completions, for %ld of %ld prompts; %ld passed, %ld were cut off, %ld "
                 "could not "
                 "be judged",
                 n->kept, n->completions, n->prompts_kept, n->prompts, n->passed, n->truncated, n->unjudged);
    reward_close(j.o.reward);
    json_decref(j.params);
    json_decref(j.index);
    if (j.rows.rows) dataset_release(&j.rows);
    return rc;
}

const struct cmd cmd_data_filter = {
    .name = "data filter",
    .summary = "keep the sampled completions that a reward accepts",
    .details =
        "Rejection sampling: reads what `generate` wrote, joins it with the dataset by id, scores every\n"
        "completion and writes the accepted ones as prompt/completion rows for `sft`. Completions that were\n"
        "cut off by the length limit are left out, equal ones of a prompt are written once.\n\n"
        "  openr1 data filter --jsonl sampled.jsonl --dataset_name rl.jsonl --reward accuracy \\\n"
        "    --params '{\"mode\":\"any\"}' --keep shortest --out verified.jsonl",
    .tables = filter_tables,
    .run = filter_run,
};
