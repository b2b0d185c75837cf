/* dataset.c: rows from a file or a folder: JSON lines, a JSON list of objects, or Parquet.
 *
 * A folder is read file by file in the order of their names: its *.jsonl, or if there are none its *.json, or
 * else its *.parquet; if there is none of them, those of its subfolder "data". When a split is named and the
 * folder has SPLIT.jsonl or SPLIT-*.jsonl (or such files of its kind), only those are read; when it has files
 * of other splits (train, test, validation ...) but not of this one, that is an error, lest a test set be
 * trained on. Each row's place is kept for messages.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "data/data.h"
#include "net/hub.h"

/* ---- one file --------------------------------------------------------------------------------------- */

static void row_add(struct dataset *d, json_t *row_stolen, long line)
{
    size_t n = json_array_size(d->rows);
    if ((n & (n + 1)) == 0) /* room for 2^k - 1 rows */
        d->places = alloc_again(d->places, (2 * n + 1) * sizeof *d->places);
    d->places[n] = (struct row_place){d->files[d->n_files - 1], line};
    json_array_append_new(d->rows, row_stolen);
}

static int lines_read(struct dataset *d, const char *path, struct err *e)
{
    struct jsonl file;
    if (jsonl_open(&file, path, e)) return -1;
    json_t *row;
    int rc;
    while ((rc = jsonl_next(&file, &row, e)) == 1) {
        if (!json_is_object(row)) {
            rc = err_set(e, "%s:%ld: a row must be a JSON object {...}", path, file.line);
            json_decref(row);
            break;
        }
        row_add(d, row, file.line);
    }
    jsonl_close(&file);
    return rc;
}

static int list_read(struct dataset *d, const char *path, struct err *e)
{
    json_t *list = json_read_file(path, e), *row;
    size_t i;
    if (!list) return -1;
    int rc = json_is_array(list) ? 0 : err_set(e, "%s: expected a list of objects", path);
    json_array_foreach(list, i, row)
    {
        if (rc) break;
        if (!json_is_object(row)) rc = err_set(e, "%s: [%zu] must be a JSON object {...}", path, i);
        if (!rc) row_add(d, json_incref(row), -(long)i - 1);
    }
    json_decref(list);
    return rc;
}

static int table_read(struct dataset *d, const char *path, struct err *e)
{
    json_t *rows = json_array(), *row;
    size_t i;
    int rc = parquet_rows(path, rows, e);
    json_array_foreach(rows, i, row)
    {
        if (!rc) row_add(d, json_incref(row), -(long)i - 1);
    }
    json_decref(rows);
    return rc;
}

/* Does the file begin with '['? Such a *.json is a list; others hold a row a line. */
static bool is_list(const char *path)
{
    FILE *f = str_ends(path, ".json") ? fopen(path, "re") : NULL;
    if (!f) return false;
    int c = fgetc(f);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') c = fgetc(f);
    fclose(f);
    return c == '[';
}

/* Forms in which data often comes and that are not read; NULL for any other name. */
static const char *foreign(const char *name)
{
    static const char *const ends[] = {".arrow", ".csv", ".jsonl.gz", ".jsonl.zst", ".json.gz"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_ends(name, ends[i])) return ends[i];
    return NULL;
}

static int refuse_foreign(const char *path, struct err *e)
{
    const char *form = foreign(path);
    if (strcmp(form, ".csv") == 0)
        return err_set(e,
                       "%s: .csv files are not read; turn it into JSON lines, for instance with\n"
                       "  duckdb -c \"COPY (FROM '%s') TO '%.*s.jsonl'\"\n"
                       "  python3 -c \"import pandas; pandas.read_csv('%s').to_json('%.*s.jsonl', "
                       "orient='records', lines=True)\"",
                       path, path, (int)(strlen(path) - strlen(form)), path, path,
                       (int)(strlen(path) - strlen(form)), path);
    return err_set(e, "%s: %s files are not read; %s", path, form,
                   strcmp(form, ".arrow") == 0 ? "write the dataset as JSON lines (datasets: to_json)"
                                               : "decompress it first (gunzip, unzstd)");
}

static int file_rows(struct dataset *d, const char *path, struct err *e)
{
    if (foreign(path)) return refuse_foreign(path, e);
    d->files = alloc_again(d->files, (d->n_files + 1) * sizeof *d->files);
    d->files[d->n_files++] = alloc_str(path);
    if (str_ends(path, ".parquet")) return table_read(d, path, e);
    return is_list(path) ? list_read(d, path, e) : lines_read(d, path, e);
}

/* ---- a folder --------------------------------------------------------------------------------------- */

/* Kinds of files with rows. A folder is read as one of them, the first that it has. */
static const char *const kinds[] = {".jsonl", ".json", ".parquet"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* SPLIT.jsonl, SPLIT-anything.jsonl; likewise of the other kinds */
static bool of_split(const char *name, const char *split)
{
    size_t n = strlen(split);
    bool named = false;
    if (strncmp(name, split, n) != 0) return false;
    for (int k = 0; k < N_KINDS; k++) named = named || strcmp(name + n, kinds[k]) == 0;
    return named || name[n] == '-';
}

/* Bytes of SPLIT in a hub's name of a piece, SPLIT-00000-of-00001.parquet; 0: it is no such name. */
static size_t piece_split(const char *name)
{
    const char *of = strstr(name, "-of-"), *p = of;
    while (p && p > name && isdigit((unsigned char)p[-1])) p--;
    bool piece = of && p < of && p - name > 1 && p[-1] == '-' && isdigit((unsigned char)of[4]);
    return piece ? (size_t)(p - 1 - name) : 0;
}

static bool of_any_split(const char *name)
{
    if (piece_split(name)) return true;
    static const char *const splits[] = {"train", "test", "validation", "valid", "dev", "eval"};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
        if (of_split(name, splits[i])) return true;
    return false;
}

/* What the datasets library writes beside the rows. */
static bool is_about(const char *name)
{
    return str_starts(name, "dataset_info") || strcmp(name, "state.json") == 0 ||
           strcmp(name, "dataset_dict.json") == 0;
}

struct listing { /* names of the files to read, of a folder */
    char **names;
    size_t n, n_split;
    bool splits;    /* some are of a split by their name */
    char *not_read; /* a file of a foreign form */
};

static void listing_release(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->names[i]);
    free(l->names);
    free(l->not_read);
}

/* The kind of a file by its name; N_KINDS: no rows are in it. */
static int kind_of(const char *name)
{
    int k = is_about(name) ? N_KINDS : 0;
    while (k < N_KINDS && !str_ends(name, kinds[k])) k++;
    return k;
}

static int listing_read(struct listing *l, const char *path, const char *split, struct err *e)
{
    char **names;
    size_t n;
    int kind = N_KINDS;
    *l = (struct listing){0};
    if (dir_list(path, &names, &n, e)) return -1;
    for (size_t i = 0; i < n; i++)
        if (kind_of(names[i]) < kind) kind = kind_of(names[i]);
    l->names = alloc_zero(n + 1, sizeof *l->names);
    for (size_t i = 0; i < n; i++) {
        if (kind == N_KINDS || kind_of(names[i]) != kind) {
            if (foreign(names[i]) && !l->not_read) l->not_read = path_join(path, names[i]);
            free(names[i]);
            continue;
        }
        if (split && of_split(names[i], split)) l->n_split++;
        if (of_any_split(names[i])) l->splits = true;
        l->names[l->n++] = names[i];
    }
    free(names);
    return 0;
}

/* The folder whose files count: `path`, or its "data" when that alone has rows. Caller frees. */
static char *rows_folder(const char *path)
{
    struct listing l;
    char *data = path_join(path, "data");
    bool direct = listing_read(&l, path, NULL, NULL) == 0 && (l.n || l.not_read);
    listing_release(&l);
    if (!direct && file_is_dir(data)) return data;
    free(data);
    return alloc_str(path);
}

/* The splits that there are, by the names of files. */
static void splits_say(const struct listing *l, struct str *out)
{
    const char *last = "";
    size_t n_last = 0;
    for (size_t i = 0; i < l->n; i++) {
        const char *name = l->names[i];
        size_t n = piece_split(name) ? piece_split(name) : strcspn(name, "-.");
        if (n == n_last && memcmp(name, last, n) == 0) continue;
        str_addf(out, "%s%.*s", out->len ? ", " : "", (int)n, name);
        last = name;
        n_last = n;
    }
}

/* Folders below that have rows: a hub's configurations of a dataset. */
static void configs_say(const char *path, struct str *out)
{
    char **names = NULL;
    size_t n = 0;
    if (dir_list(path, &names, &n, NULL)) return;
    for (size_t i = 0; i < n; i++) {
        struct listing l = {0};
        char *below = path_join(path, names[i]);
        if (file_is_dir(below) && listing_read(&l, below, NULL, NULL) == 0 && l.n)
            str_addf(out, "%s%s", out->len ? ", " : "", names[i]);
        listing_release(&l);
        free(below);
        free(names[i]);
    }
    free(names);
}

static int refuse_empty(const char *path, struct err *e)
{
    struct str configs;
    str_init(&configs, 1024);
    configs_say(path, &configs);
    err_set(e, "%s: no *.jsonl, *.json or *.parquet file in this folder%s%s", path,
            configs.len ? ", but in those below; name one as dataset_config: " : "", configs.p);
    str_release(&configs);
    return -1;
}

static int refuse_splits(const struct listing *l, const char *path, const char *split, struct err *e)
{
    struct str splits;
    str_init(&splits, 1024);
    splits_say(l, &splits);
    err_set(e, "%s: no %s.jsonl or %s-*.jsonl (or .json, .parquet) here, but files of other splits: %s", path,
            split, split, splits.p);
    str_release(&splits);
    return -1;
}

static int folder_read(struct dataset *d, const char *root, const char *split, struct err *e)
{
    struct listing l;
    char *path = rows_folder(root);
    int rc = listing_read(&l, path, split, e);
    if (!rc && !l.n)
        rc = l.not_read ? refuse_foreign(l.not_read, e) : refuse_empty(path, e);
    else if (!rc && split && !l.n_split && l.splits)
        rc = refuse_splits(&l, path, split, e);
    for (size_t i = 0; i < l.n && !rc; i++) {
        if (split && l.n_split && !of_split(l.names[i], split)) continue;
        char *file = path_join(path, l.names[i]);
        rc = file_rows(d, file, e);
        free(file);
    }
    listing_release(&l);
    free(path);
    return rc;
}

bool dataset_has_split(const char *path, const char *split)
{
    struct listing l;
    if (!file_is_dir(path)) return false;
    char *folder = rows_folder(path);
    bool found = listing_read(&l, folder, split, NULL) == 0 && l.n_split > 0;
    listing_release(&l);
    free(folder);
    return found;
}

/* ---- the dataset ------------------------------------------------------------------------------------ */

int dataset_open(struct dataset *d, const char *path, const char *split, struct err *e)
{
    *d = (struct dataset){.rows = json_array(), .path = hub_resolve(HUB_DATASET, path, e)};
    int rc;
    if (!d->path)
        rc = err_wrap(e, "dataset (a JSONL or Parquet file, or a folder of them)");
    else if (file_is_dir(d->path))
        rc = folder_read(d, d->path, split, e);
    else
        rc = file_rows(d, d->path, e);
    if (!rc && json_array_size(d->rows) == 0) rc = err_set(e, "dataset %s has no rows", path);
    if (rc) dataset_release(d);
    return rc;
}

void dataset_release(struct dataset *d)
{
    json_decref(d->rows);
    free(d->path);
    free(d->places);
    for (size_t i = 0; i < d->n_files; i++) free(d->files[i]);
    free(d->files);
    *d = (struct dataset){0};
}

int row_wrap(const struct row_place *p, struct err *e)
{
    return p->line > 0 ? err_wrap(e, "%s:%ld", p->file, p->line)
                       : err_wrap(e, "%s: [%ld]", p->file, -p->line - 1);
}
