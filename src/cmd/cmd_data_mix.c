/* cmd_data_mix.c: `openr1 data mix`: a dataset_mixture as JSON lines. */
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "data/data.h"

static const struct opt mix_options[] = {
    {.key = "dataset_mixture",
     .type = OPT_MAP,
     .help =
         "{datasets: [{id, config, split, columns, weight}], seed, test_split_size}, as sft and grpo take "
         "it",
     .flags = OPT_REQUIRED},
    {.key = "out", .type = OPT_STR, .help = "file for the rows (default: standard output)"},
    {.key = "test_out", .type = OPT_STR, .help = "file for those that test_split_size holds out"},
    {0}};
static const struct opt *const mix_tables[] = {mix_options, NULL};

static int write_rows(const json_t *rows, const char *path, struct err *e)
{
    struct lines out;
    json_t *row;
    size_t i;
    int rc = 0;
    if (lines_open(&out, path, e)) return -1;
    json_array_foreach((json_t *)rows, i, row)
    {
        if (!rc) rc = lines_put(&out, json_incref(row), e);
    }
    return lines_close(&out, rc, e);
}

static int mix_run(struct conf *c, struct err *e)
{
    const char *test = conf_str(c, "test_out");
    struct rows r = {0};
    json_t *mixture = conf_map(c, "dataset_mixture");
    int rc = rows_mix(&r, mixture, e);
    if (!rc && test && !r.held_out) rc = err_usage(e, "test_out needs a test_split_size in the mixture");
    if (!rc && !test && r.held_out)
        rc = err_usage(e, "the mixture holds rows out (test_split_size): say where to with test_out");
    if (!rc) rc = write_rows(r.rows, conf_str(c, "out"), e);
    if (!rc && test) rc = write_rows(r.held_out, test, e);
    if (!rc)
        log_info("%zu rows from %d datasets, %zu held out", json_array_size(r.rows), r.n_paths,
                 json_array_size(r.held_out));
    rows_release(&r);
    json_decref(mixture);
    return rc;
}

const struct cmd cmd_data_mix = {
    .name = "data mix",
    .summary = "shares of several datasets as one",
    .details = "The rows that sft and grpo would train on with this dataset_mixture, in their order.\n\n"
               "  openr1 data mix --config mixture.yaml --out mixed.jsonl",
    .tables = mix_tables,
    .run = mix_run,
};
