/* cmd_loss_grpo.c: `openr1 loss grpo`: the GRPO loss, its gradient and the advantages of written-down numbers
 * (train/policy_json.c), one JSON record a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "train/train.h"

static const struct opt loss_opts[] = {
    {.key = "jsonl",
     .type = OPT_STR,
     .help = "records, one a line; - is standard input",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "where to write; unset: standard output"},
    {.key = NULL}};
static const struct opt *const loss_tables[] = {loss_opts, NULL};

/* A bad record is answered with its error, in its place: the others still count. */
static json_t *answer(const json_t *record)
{
    struct err e = {0};
    json_t *out = json_object(), *result = policy_eval(record, &e), *id = json_object_get(record, "id");
    json_object_set(out, "id", id ? id : json_null());
    if (result)
        json_object_update(out, result);
    else
        json_object_set_new(out, "error", json_string(e.msg));
    json_decref(result);
    return out;
}

static int read_all(const char *path, struct str *text, struct err *e)
{
    struct jsonl in;
    json_t *record;
    int status;
    if (jsonl_open(&in, path, e)) return -1;
    while ((status = jsonl_next(&in, &record, e)) == 1) {
        json_t *out = answer(record);
        char *line = json_text(out);
        str_addf(text, "%s\n", line);
        free(line);
        json_decref(out);
        json_decref(record);
    }
    jsonl_close(&in);
    return status;
}

static int loss_command(struct conf *c, struct err *e)
{
    struct str text;
    const char *out = conf_str(c, "out");
    str_init(&text, 0);
    int failed = read_all(conf_str(c, "jsonl"), &text, e);
    if (!failed && text.full) failed = err_set(e, "the results take more than 1 GiB; split the input");
    if (!failed && out) failed = file_write(out, text.p, text.len, e);
    if (!failed && !out) fwrite(text.p, 1, text.len, stdout);
    str_release(&text);
    return failed;
}

const struct cmd cmd_loss_grpo = {
    .name = "loss grpo",
    .summary = "GRPO's loss, gradient and advantages of given numbers",
    .details =
        "Reads records {\"id\",\"config\":{TRL "
        "keys},\"logps\":[[...]],\"old_logps\",\"ref_logps\",\"mask\",\"advantages\" or\n"
        "\"rewards\"} (null or absent: default) and writes {\"id\",\"loss\",\"grad\":[[d loss / d "
        "logps]],\"advantages\",\n"
        "\"metrics\"}, in double precision. One record is one micro-step that is one optimiser step.\n"
        "top_entropy_quantile and entropy_coef need \"entropies\":[[...]], and give \"grad_entropies\" too; "
        "with\n"
        "use_adaptive_entropy, \"last_entropy\" is the mean entropy of the step before (absent: there was "
        "none).\n\n"
        "  openr1 loss grpo --jsonl records.jsonl",
    .tables = loss_tables,
    .run = loss_command,
};
