/* cmd_data_dedup.c: `openr1 data dedup`: rows that repeat an earlier one are left out. */
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "cmd/data_source.h"
#include "data/data.h"

static const struct opt dedup_options[] = {
    {.key = "column",
     .type = OPT_STR,
     .help = "what is compared: text or messages (default: problem, prompt, question, text or messages)"},
    {.key = "threshold",
     .type = OPT_REAL,
     .fallback = "0.8",
     .lo = 0.3,
     .hi = 1,
     .help = "share of runs of words that copies have in common (Jaccard); 1: the same words only"},
    {.key = "ngram_size",
     .type = OPT_INT,
     .fallback = "5",
     .lo = 1,
     .hi = 64,
     .help = "words of the runs that are compared"},
    {.key = "out", .type = OPT_STR, .help = "file for the rows that stay (default: standard output)"},
    {.key = "removed", .type = OPT_STR, .help = "file for what was left out, and which row each repeats"},
    {0}};
static const struct opt *const dedup_tables[] = {data_source_options, dedup_options, NULL};

struct dedup_job {
    struct rows source;
    struct row_list list;
    char **texts; /* of each row */
    long *of;
    size_t n, removed;
};

static void job_release(struct dedup_job *j)
{
    for (size_t i = 0; i < j->n && j->texts; i++) free(j->texts[i]);
    free(j->texts);
    free(j->of);
    row_list_release(&j->list);
    rows_release(&j->source);
}

static int texts_read(struct dedup_job *j, const char *column, struct err *e)
{
    struct row_texts all = {.column = column};
    struct str text;
    int rc = 0;
    str_init(&text, 0);
    j->n = json_array_size(j->list.rows);
    j->texts = alloc_zero(j->n + 1, sizeof *j->texts);
    j->of = alloc_zero(j->n + 1, sizeof *j->of);
    for (size_t i = 0; i < j->n && !rc; i++) {
        rc = row_texts_next(&all, json_array_get(j->list.rows, i), &j->list.places[i], &text, e);
        j->texts[i] = alloc_strn(text.p, text.len);
    }
    str_release(&text);
    return rc ? rc : row_texts_end(&all, "stay", e);
}

static json_t *place_json(const struct row_place *p)
{
    return p->line > 0 ? json_sprintf("%s:%ld", p->file, p->line)
                       : json_sprintf("%s[%ld]", p->file, -p->line - 1);
}

static int put_removed(struct dedup_job *j, struct lines *removed, size_t i, struct err *e)
{
    json_t *record = json_pack("{s:o, s:o, s:O}", "at", place_json(&j->list.places[i]), "repeats",
                               place_json(&j->list.places[j->of[i]]), "row", json_array_get(j->list.rows, i));
    CHECK(record, "row %zu", i);
    return lines_put(removed, record, e);
}

static int rows_write(struct dedup_job *j, const char *path, const char *removed_path, struct err *e)
{
    struct lines out, removed;
    if (lines_open(&out, path, e)) return -1;
    if (removed_path && lines_open(&removed, removed_path, e)) return lines_close(&out, -1, e);
    int rc = 0;
    for (size_t i = 0; i < j->n && !rc; i++) {
        if (j->of[i] < 0)
            rc = lines_put(&out, json_incref(json_array_get(j->list.rows, i)), e);
        else if (removed_path)
            rc = put_removed(j, &removed, i, e);
        j->removed += j->of[i] >= 0;
    }
    if (removed_path) rc = lines_close(&removed, rc, e);
    return lines_close(&out, rc, e);
}

static int dedup_run(struct conf *c, struct err *e)
{
    struct dedup_job j = {0};
    struct dedup_opts o = {(int)conf_int(c, "ngram_size"), conf_real(c, "threshold")};
    const char *column = conf_str(c, "column"), *out = conf_str(c, "out"), *removed = conf_str(c, "removed");
    int rc = data_source_load(c, &j.source, &j.list, e);
    if (!rc) rc = texts_read(&j, column, e);
    if (!rc) dedup((const char *const *)j.texts, j.n, &o, j.of);
    if (!rc) rc = rows_write(&j, out, removed, e);
    if (!rc) log_info("%zu of %zu rows stay, %zu repeat an earlier one", j.n - j.removed, j.n, j.removed);
    job_release(&j);
    return rc;
}

const struct cmd cmd_data_dedup = {
    .name = "data dedup",
    .summary = "leave out rows that repeat an earlier one",
    .details =
        "A row repeats another when their words are the same, or nearly: when the sets of their runs "
        "of\nngram_size words have a Jaccard similarity of at least threshold. Case and white space do "
        "not count.\nThe first of several copies stays; so do\nrows without text, which are counted.\n\n"
        "  openr1 data dedup rows.jsonl --column problem --out once.jsonl --removed twice.jsonl",
    .tables = dedup_tables,
    .run = dedup_run,
};
