/* collect.c: gather from run folders what the report shows.
 *
 * A stage is a folder as base/runlog.h and eval/ write it. Its evaluations are
 * folders below it (or itself) that hold results.json and samples.jsonl. Curves
 * are thinned to REPORT_POINTS records, and what was sampled while training to
 * some completions of REPORT_SIGHTS steps, always keeping the first and the last,
 * so that the page stays small for runs of any length.
 */
#include "report/report.h"
#include "report/report_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

enum { REPORT_POINTS = 1000, REPORT_NUMBER_BYTES = 220 /* in memory */ };
enum { REPORT_SAMPLES = 24, REPORT_DEPTH = 4, REPORT_TEXT_MAX = 4000 };
enum { REPORT_SIGHTS = 8, REPORT_COMPLETIONS = 6, REPORT_CONFIG_MAX = 1 << 20 };

/* Object copies keep only numbers: curves need no hashes. */
static json_t *numbers_only(const json_t *record)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)record, key, value)
    {
        if (json_is_number(value)) json_object_set(out, key, value);
    }
    return out;
}

size_t report_bytes(long steps, int numbers)
{
    return REPORT_NUMBER_BYTES * (size_t)numbers * (size_t)(steps < REPORT_POINTS ? steps : REPORT_POINTS);
}

/* Of n records that pass one by one, those that are kept. */
struct thinned {
    size_t n, seen;
    json_t *some;
};

static void thin(struct thinned *t, const json_t *record)
{
    size_t points = t->n < REPORT_POINTS ? t->n : REPORT_POINTS, kept = json_array_size(t->some);
    size_t next = points < t->n ? kept * (t->n - 1) / (points - 1) : kept;
    if (kept < points && t->seen++ == next) json_array_append(t->some, (json_t *)record);
}

/* Evaluations are few among many steps: apart, or thinning would lose them. NULL: the record has none. */
static json_t *evaluated(const json_t *record)
{
    json_t *only = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)record, key, value)
    {
        if (str_starts(key, "eval_")) json_object_set(only, key, value);
    }
    if (json_object_size(only) > 0) {
        json_object_set(only, "step", json_object_get(record, "step"));
        return only;
    }
    json_decref(only);
    return NULL;
}

/* The first `limit` records of a JSONL file. NULL on error. */
static json_t *read_records(const char *path, size_t limit, json_t *(*keep)(const json_t *), struct err *e)
{
    struct jsonl in;
    if (jsonl_open(&in, path, e)) return NULL;
    json_t *all = json_array(), *record;
    int more = 1;
    while (json_array_size(all) < limit && (more = jsonl_next(&in, &record, e)) == 1) {
        json_array_append_new(all, keep(record));
        json_decref(record);
    }
    jsonl_close(&in);
    if (more == 1 || more == 0) return all;
    json_decref(all);
    return NULL;
}

static json_t *cut_text(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) <= REPORT_TEXT_MAX) return json_deep_copy(value);
    size_t n = REPORT_TEXT_MAX;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    return json_stringn(text, n);
}

/* A sample with its completions' texts cut to a readable length and their ids
 * left out. */
static json_t *sample_for_show(const json_t *sample)
{
    json_t *out = json_object(), *completions = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)sample, key, value)
    {
        if (strcmp(key, "completions")) json_object_set_new(out, key, cut_text(value));
    }
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(sample, "completions"), i, c)
    {
        if (i >= 2) break;
        if (json_is_string(c)) {
            json_array_append_new(completions, cut_text(c));
            continue;
        }
        json_t *shown = json_object();
        json_object_foreach(c, key, value)
        {
            if (strcmp(key, "ids") && strcmp(key, "logprobs"))
                json_object_set_new(shown, key, cut_text(value));
        }
        json_array_append_new(completions, shown);
    }
    json_object_set_new(out, "completions", completions);
    return out;
}

/* Put the evaluation in dir, if there is one, under `label` into list. */
static int add_eval(json_t *list, const char *dir, const char *label, struct err *e)
{
    char *results = path_join(dir, "results.json"), *samples = path_join(dir, "samples.jsonl");
    int rc = 0;
    if (file_exists(results)) {
        json_t *one = json_object(), *r = json_read_file(results, e), *s = NULL;
        rc = r ? 0 : -1;
        if (!rc && file_exists(samples)) {
            s = read_records(samples, REPORT_SAMPLES, sample_for_show, e);
            rc = s ? 0 : -1;
        }
        if (!rc) {
            json_object_set_new(one, "label", json_string(label));
            json_object_set(one, "results", json_object_get(r, "results"));
            if (s) json_object_set(one, "samples", s);
            json_array_append(list, one);
        }
        json_decref(one);
        json_decref(r);
        json_decref(s);
    }
    free(results);
    free(samples);
    return rc;
}

static int add_evals(json_t *out, const char *dir, struct err *e)
{
    json_t *list = json_array();
    char **names = NULL;
    size_t n = 0;
    int rc = add_eval(list, dir, path_base(dir), e);
    if (!rc) rc = dir_list(dir, &names, &n, e);
    for (size_t i = 0; i < n; i++) {
        char *sub = path_join(dir, names[i]);
        if (!rc && file_is_dir(sub)) rc = add_eval(list, sub, names[i], e);
        free(sub);
        free(names[i]);
    }
    free(names);
    if (!rc && json_array_size(list) > 0) json_object_set(out, "evals", list);
    json_decref(list);
    return rc;
}

/* A run's records, read twice, so that no more of them than are shown are held: counted, then thinned. */
struct curves {
    struct thinned metrics, evaluations;
    struct report_warnings warnings;
};

static void count_record(struct curves *c, const json_t *record, const json_t *evaluation)
{
    c->metrics.n++;
    c->evaluations.n += evaluation != NULL;
    report_warnings_see(&c->warnings, record);
}

static void thin_record(struct curves *c, const json_t *record, const json_t *evaluation)
{
    thin(&c->metrics, record);
    if (evaluation) thin(&c->evaluations, evaluation);
}

static int each_record(struct curves *c, const char *path,
                       void (*take)(struct curves *, const json_t *, const json_t *), struct err *e)
{
    struct jsonl in;
    json_t *whole;
    int more;
    if (jsonl_open(&in, path, e)) return -1;
    while ((more = jsonl_next(&in, &whole, e)) == 1) {
        json_t *record = numbers_only(whole), *evaluation = evaluated(record);
        take(c, record, evaluation);
        json_decref(evaluation);
        json_decref(record);
        json_decref(whole);
    }
    jsonl_close(&in);
    return more;
}

static int add_curves(json_t *out, const char *dir, struct err *e)
{
    struct curves c = {.metrics = {.some = json_array()}, .evaluations = {.some = json_array()}};
    char *path = path_join(dir, "metrics.jsonl");
    int rc = file_exists(path) ? each_record(&c, path, count_record, e) : 0;
    if (!rc && c.metrics.n > 0) {
        rc = each_record(&c, path, thin_record, e);
        json_object_set(out, "metrics", c.metrics.some);
        json_object_set(out, "evaluations", c.evaluations.some);
        json_object_set_new(out, "warnings", report_warnings_list(&c.warnings));
    }
    json_decref(c.metrics.some);
    json_decref(c.evaluations.some);
    free(path);
    return rc;
}

/* A file of one JSON object, if the run has it. */
static int add_object(json_t *out, const char *dir, const char *name, const char *key, struct err *e)
{
    char *path = path_join(dir, name);
    int rc = 0;
    if (file_exists(path)) {
        json_t *object = json_read_file(path, e);
        rc = object ? 0 : -1;
        if (object) json_object_set_new(out, key, object);
    }
    free(path);
    return rc;
}

/* A completion's record, its texts cut to a readable length. */
static json_t *record_for_show(const json_t *record)
{
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)record, key, value) json_object_set_new(out, key, cut_text(value));
    return out;
}

/* The first completions of the steps whose files are names[0..n), some of them. */
static int add_sights(json_t *out, const char *folder, char **names, size_t n, struct err *e)
{
    size_t count = n < REPORT_SIGHTS ? n : REPORT_SIGHTS;
    json_t *list = json_array();
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        char *path = path_join(folder, names[count < n ? i * (n - 1) / (count - 1) : i]);
        json_t *some = read_records(path, REPORT_COMPLETIONS, record_for_show, e);
        rc = some ? 0 : -1;
        if (some) json_array_append_new(list, some);
        free(path);
    }
    if (!rc && count) json_object_set(out, "completions", list);
    json_decref(list);
    return rc;
}

static int add_completions(json_t *out, const char *dir, struct err *e)
{
    char **names, *folder = path_join(dir, "completions");
    size_t n = 0, kept = 0;
    int rc = file_is_dir(folder) ? dir_list(folder, &names, &n, e) : 0;
    for (size_t i = 0; i < n; i++) {
        if (str_ends(names[i], ".jsonl"))
            names[kept++] = names[i];
        else
            free(names[i]);
    }
    if (!rc && kept) rc = add_sights(out, folder, names, kept, e);
    for (size_t i = 0; i < kept; i++) free(names[i]);
    if (n) free(names);
    free(folder);
    return rc;
}

/* The configuration as the run resolved it. */
static int add_config(json_t *out, const char *dir, struct err *e)
{
    char *path = path_join(dir, "config.yaml"), *text;
    size_t n;
    int rc = file_exists(path) ? file_read(path, REPORT_CONFIG_MAX, &text, &n, e) : 1;
    if (rc == 0) {
        json_object_set_new(out, "config", json_stringn(text, n));
        free(text);
    }
    free(path);
    return rc < 0 ? -1 : 0;
}

json_t *report_collect(const json_t *stage, struct err *e)
{
    const char *dir = json_string_value(json_object_get(stage, "dir"));
    CHECK(dir, "a stage without \"dir\"");
    json_t *out = json_copy((json_t *)stage);
    if (add_curves(out, dir, e) || add_object(out, dir, "manifest.json", "manifest", e) ||
        add_object(out, dir, "preflight.json", "preflight", e) || add_evals(out, dir, e) ||
        add_completions(out, dir, e) || add_config(out, dir, e)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static bool holds(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    bool found = file_exists(path);
    free(path);
    return found;
}

/* Folders that hold a run's metrics are stages; an evaluation that stands alone
 * is one too. What lies inside a run's folder belongs to it. */
static int find_below(json_t *list, const char *dir, const char *name, int depth, struct err *e)
{
    bool run = holds(dir, "metrics.jsonl");
    if (run || holds(dir, "results.json")) {
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "name", name, "dir", dir, "kind", run ? "run" : "eval"));
        return 0;
    }
    if (depth == 0) return 0;
    char **names = NULL;
    size_t n = 0;
    int rc = dir_list(dir, &names, &n, e);
    for (size_t i = 0; i < n; i++) {
        char *sub = path_join(dir, names[i]);
        if (!rc && file_is_dir(sub)) rc = find_below(list, sub, names[i], depth - 1, e);
        free(sub);
        free(names[i]);
    }
    free(names);
    return rc;
}

json_t *report_find_stages(const char *dir, struct err *e)
{
    json_t *list = json_array();
    if (find_below(list, dir, path_base(dir), REPORT_DEPTH, e)) {
        json_decref(list);
        return NULL;
    }
    return list;
}
