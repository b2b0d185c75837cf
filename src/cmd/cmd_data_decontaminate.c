/* cmd_data_decontaminate.c: `openr1 data decontaminate`: which rows share a run of words with a benchmark. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/cmd_lines.h"
#include "data/data.h"

static const struct opt decontaminate_options[] = {
    {.key = "dataset_name",
     .type = OPT_STR,
     .alias = "dataset",
     .help = "the rows: a JSONL file, a folder, or a hub's dataset",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.key = "dataset_config", .type = OPT_STR, .alias = "config_name", .help = "a subfolder of the dataset"},
    {.key = "split", .type = OPT_STR, .fallback = "train", .help = "part of the dataset"},
    {.key = "problem_column",
     .type = OPT_STR,
     .fallback = "problem",
     .help = "what is compared: text or messages"},
    {.key = "benchmarks",
     .type = OPT_LIST,
     .help = "NAME=DATASET or NAME=DATASET:COLUMN each (a JSONL file, a folder, a hub's dataset)",
     .flags = OPT_REQUIRED},
    {.key = "ngram_size",
     .type = OPT_INT,
     .fallback = "8",
     .lo = 1,
     .hi = 64,
     .help = "words that must be shared in a row"},
    {.key = "cleanup",
     .type = OPT_BOOL,
     .fallback = "false",
     .help = "leave contaminated rows out; else each row gets contaminated_NAME: true or false"},
    {.key = "out", .type = OPT_STR, .help = "file for the rows (default: standard output)"},
    {0}};
static const struct opt *const decontaminate_tables[] = {decontaminate_options, NULL};

enum { BENCHMARKS_MAX = 64, SHOWN = 3 };
struct benchmark {
    char *name;
    struct run_set *runs;
    long hits;
};
struct decontaminate_job {
    struct benchmark list[BENCHMARKS_MAX];
    size_t n;
    bool cleanup;
    struct row_texts texts;
    long kept;
};

/* NAME=DATASET[:COLUMN]; all its splits count. */
static int benchmark_read(struct benchmark *b, const char *spec, int n_words, struct err *e)
{
    const char *equals = strchr(spec, '=');
    if (!equals || equals == spec || !equals[1])
        return err_usage(e, "benchmarks: '%s' is not NAME=DATASET or NAME=DATASET:COLUMN", spec);
    char *path = alloc_str(equals + 1), *colon = strrchr(path, ':');
    if (colon) *colon = 0;
    struct row_texts texts = {.column = colon ? colon + 1 : NULL};
    struct dataset d;
    struct str text;
    size_t i;
    json_t *row;
    b->name = alloc_strn(spec, (size_t)(equals - spec));
    b->runs = run_set_new(n_words);
    str_init(&text, 0);
    int rc = dataset_open(&d, path, NULL, e);
    json_array_foreach(d.rows, i, row)
    {
        if (rc) break;
        rc = row_texts_next(&texts, row, &d.places[i], &text, e);
        if (!rc) run_set_add(b->runs, text.p, text.len);
    }
    if (!rc) rc = row_texts_end(&texts, "are no part of the benchmark", e);
    if (d.rows) dataset_release(&d);
    str_release(&text);
    free(path);
    return rc ? err_wrap(e, "benchmark %s", b->name) : 0;
}

static int row_check(struct decontaminate_job *j, json_t *row, const struct row_place *place,
                     struct lines *out, struct err *e)
{
    struct str text, shared, key;
    bool bad = false;
    str_init(&text, 0);
    str_init(&shared, 1024);
    str_init(&key, 512);
    json_t *marked = json_copy(row);
    int rc = row_texts_next(&j->texts, row, place, &text, e);
    for (size_t i = 0; i < j->n && !rc; i++) {
        struct benchmark *b = &j->list[i];
        str_clear(&shared);
        bool meets = run_set_meets(b->runs, text.p, text.len, &shared);
        if (meets && b->hits < SHOWN)
            log_info("%s:%ld shares with %s: \"%s\"", place->file, place->line, b->name, shared.p);
        b->hits += meets;
        bad = bad || meets;
        str_clear(&key);
        str_addf(&key, "contaminated_%s", b->name);
        json_object_set_new(marked, key.p, json_boolean(meets));
    }
    j->kept += !bad;
    if (!rc && !j->cleanup) rc = lines_put(out, json_incref(marked), e);
    if (!rc && j->cleanup && !bad) rc = lines_put(out, json_incref(row), e);
    json_decref(marked);
    str_release(&text);
    str_release(&shared);
    str_release(&key);
    return rc;
}

static int rows_check(struct decontaminate_job *j, struct conf *c, struct err *e)
{
    struct rows source = {0};
    struct row_list list = {0};
    struct dataset_name from = {conf_str(c, "dataset_name"), conf_str(c, "dataset_config"),
                                conf_str(c, "split")};
    struct lines out;
    json_t *row;
    size_t i;
    if (rows_load(&source, &from, &list, e)) return -1;
    int rc = lines_open(&out, conf_str(c, "out"), e);
    if (!rc) {
        json_array_foreach(list.rows, i, row)
        {
            if (!rc) rc = row_check(j, row, &list.places[i], &out, e);
        }
        if (!rc) rc = row_texts_end(&j->texts, "share nothing", e);
        rc = lines_close(&out, rc, e);
    }
    row_list_release(&list);
    rows_release(&source);
    return rc;
}

static int decontaminate_run(struct conf *c, struct err *e)
{
    struct decontaminate_job j = {.cleanup = conf_bool(c, "cleanup"),
                                  .texts.column = conf_str(c, "problem_column")};
    const char *const *specs;
    size_t n = conf_list(c, "benchmarks", &specs);
    int words = (int)conf_int(c, "ngram_size");
    int rc = n <= BENCHMARKS_MAX ? 0 : err_usage(e, "%zu benchmarks, at most %d", n, BENCHMARKS_MAX);
    for (; j.n < n && !rc; j.n++) rc = benchmark_read(&j.list[j.n], specs[j.n], words, e);
    if (!rc) rc = rows_check(&j, c, e);
    for (size_t i = 0; i < j.n; i++) {
        if (!rc) log_info("%s: %ld rows share a run of %d words", j.list[i].name, j.list[i].hits, words);
        free(j.list[i].name);
        run_set_free(j.list[i].runs);
    }
    if (!rc) log_info("%ld of %ld rows are clean", j.kept, j.texts.rows);
    return rc;
}

const struct cmd cmd_data_decontaminate = {
    .name = "data decontaminate",
    .summary = "mark or leave out rows that share runs of words with benchmarks",
    .details =
        "Open-R1's rule: lower case, cut at white space, runs of ngram_size words (8; GPT-3 took 13). A row "
        "is\ncontaminated if it shares one run with a benchmark.\n\n"
        "  openr1 data decontaminate rows.jsonl --benchmarks aime24=aime.jsonl:problem,math500=math.jsonl "
        "\\\n"
        "    --cleanup --out clean.jsonl",
    .tables = decontaminate_tables,
    .run = decontaminate_run,
};
