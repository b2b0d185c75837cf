/* cmd_data_stats.c: `openr1 data stats`: what a dataset holds: columns, forms, lengths, copies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/data_source.h"
#include "cmd/tokenizer_run.h"
#include "data/data.h"

static const struct opt stats_options[] = {
    {.key = "column",
     .type = OPT_STR,
     .help = "whose characters are counted (default: problem, prompt, question, text or messages)"},
    {.key = "model_name_or_path",
     .type = OPT_STR,
     .alias = "model",
     .help = "a model whose tokenizer counts tokens, and those that sft would give loss to"},
    {0}};
static const struct opt *const stats_tables[] = {data_source_options, stats_options, NULL};

struct series {
    double *v;
    size_t n;
};
struct stats_job {
    struct rows source;
    struct row_list list;
    struct tokenizer_source tok;
    struct form_opts form;
    json_t *columns, *forms;
    struct series characters, tokens, with_loss;
    char **texts;
    size_t repeats;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NULL if there is nothing. */
static json_t *series_json(struct series *s)
{
    double sum = 0;
    if (!s->n) return json_null();
    qsort(s->v, s->n, sizeof *s->v, compare);
    for (size_t i = 0; i < s->n; i++) sum += s->v[i];
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "total", sum, "mean", sum / (double)s->n, "min",
                     s->v[0], "median", s->v[(s->n - 1) / 2], "p95",
                     s->v[(size_t)ceil(0.95 * (double)s->n) - 1], "max", s->v[s->n - 1]);
}

static void count_up(json_t *counts, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(counts, key));
    json_object_set_new(counts, key, json_integer(n + 1));
}

static void count_columns(json_t *columns, const json_t *row)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "object",  [JSON_ARRAY] = "list",  [JSON_STRING] = "text",
        [JSON_INTEGER] = "number", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean",  [JSON_NULL] = "null"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)row, key, value)
    {
        if (!json_object_get(columns, key)) json_object_set_new(columns, key, json_object());
        count_up(json_object_get(columns, key), kinds[json_typeof(value)]);
    }
}

/* Tokens of a row as sft would have it; a row that it would refuse counts under its form as refused. */
static void count_tokens(struct stats_job *j, const json_t *row, const struct data_form *form)
{
    struct err e = {0};
    struct sft_example x = {0};
    if (form->encode(row, &j->form, &x, &e)) {
        count_up(j->forms, "refused");
    } else {
        size_t loss = 0;
        for (size_t i = 1; i < x.mask.n; i++) loss += x.mask.p[i] != 0;
        j->tokens.v[j->tokens.n++] = (double)x.ids.n;
        j->with_loss.v[j->with_loss.n++] = (double)loss;
    }
    ids_release(&x.ids);
    ids_release(&x.mask);
}

static void count_row(struct stats_job *j, size_t i, const char *column)
{
    struct err e = {0};
    const json_t *row = json_array_get(j->list.rows, i);
    struct str text;
    str_init(&text, 0);
    count_columns(j->columns, row);
    const struct data_form *form = data_form_of(row, &j->form, &e);
    count_up(j->forms, form ? form->name : "none");
    if (form && j->form.tok) count_tokens(j, row, form);
    if (row_text(row, column, &text, &e) == 0)
        j->characters.v[j->characters.n++] = (double)utf8_count(text.p, text.len);
    j->texts[i] = alloc_strn(text.p, text.len);
    str_release(&text);
}

static void count_repeats(struct stats_job *j, size_t n)
{
    long *of = alloc_zero(n + 1, sizeof *of);
    dedup((const char *const *)j->texts, n, &(struct dedup_opts){5, 1}, of);
    for (size_t i = 0; i < n; i++) j->repeats += of[i] >= 0;
    free(of);
}

static json_t *result(struct stats_job *j, size_t n)
{
    json_t *o =
        json_pack("{s:I, s:O, s:O, s:I, s:o}", "rows", (json_int_t)n, "columns", j->columns, "forms",
                  j->forms, "repeats", (json_int_t)j->repeats, "characters", series_json(&j->characters));
    if (j->form.tok) {
        json_object_set_new(o, "tokens", series_json(&j->tokens));
        json_object_set_new(o, "tokens_with_loss", series_json(&j->with_loss));
    }
    return o;
}

static void job_release(struct stats_job *j, size_t n)
{
    for (size_t i = 0; i < n && j->texts; i++) free(j->texts[i]);
    free(j->texts);
    free(j->characters.v);
    free(j->tokens.v);
    free(j->with_loss.v);
    json_decref(j->columns);
    json_decref(j->forms);
    tokenizer_source_close(&j->tok);
    row_list_release(&j->list);
    rows_release(&j->source);
}

static int stats_run(struct conf *c, struct err *e)
{
    struct stats_job j = {.form = {.completion_only = -1}, .columns = json_object(), .forms = json_object()};
    const char *model = conf_str(c, "model_name_or_path");
    int rc = data_source_load(c, &j.source, &j.list, e);
    size_t n = json_array_size(j.list.rows);
    if (!rc && model) rc = tokenizer_source_open(&j.tok, model, e);
    j.form.tok = j.tok.tok;
    if (!rc) {
        j.texts = alloc_zero(n + 1, sizeof *j.texts);
        j.characters.v = alloc_zero(n + 1, sizeof *j.characters.v);
        j.tokens.v = alloc_zero(n + 1, sizeof *j.tokens.v);
        j.with_loss.v = alloc_zero(n + 1, sizeof *j.with_loss.v);
        for (size_t i = 0; i < n; i++) count_row(&j, i, conf_str(c, "column"));
        count_repeats(&j, n);
        json_t *o = result(&j, n);
        char *text = json_text(o);
        puts(text);
        free(text);
        json_decref(o);
    }
    job_release(&j, n);
    return rc;
}

const struct cmd cmd_data_stats = {
    .name = "data stats",
    .summary = "what a dataset holds: columns, forms, lengths, copies",
    .details =
        "One JSON object: rows; columns with how many rows have them, by kind; the forms that sft sees; "
        "rows\nwhose words repeat an earlier one's; characters; with a model also tokens, and those with "
        "loss.\n\n"
        "  openr1 data stats rows.jsonl --model Qwen/Qwen2.5-0.5B-Instruct",
    .tables = stats_tables,
    .run = stats_run,
};
