/* dataset.c: rows from a JSONL file or a folder of them.
 *
 * A folder is read file by file in the order of their names. When a split is named and the folder has
 * SPLIT.jsonl or SPLIT-*.jsonl, only those are read; when it has files of other splits (train, test,
 * validation ...) but not of this one, that is an error, lest a test set be trained on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "data/data.h"
#include "net/hub.h"

static int rows_read(json_t *rows, const char *path, struct err *e)
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
        json_array_append_new(rows, row);
    }
    jsonl_close(&file);
    return rc;
}

/* SPLIT.jsonl, SPLIT-anything.jsonl */
static bool of_split(const char *name, const char *split)
{
    size_t n = strlen(split);
    return strncmp(name, split, n) == 0 && (name[n] == '-' || strcmp(name + n, ".jsonl") == 0);
}

static bool of_any_split(const char *name)
{
    static const char *const splits[] = {"train", "test", "validation", "valid", "dev", "eval"};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
        if (of_split(name, splits[i])) return true;
    return false;
}

static int folder_read(json_t *rows, const char *path, const char *split, struct err *e)
{
    char **names;
    size_t n, n_jsonl = 0, n_split = 0;
    bool splits = false;
    if (dir_list(path, &names, &n, e)) return -1;
    for (size_t i = 0; i < n; i++) {
        if (!str_ends(names[i], ".jsonl")) continue;
        n_jsonl++;
        if (split && of_split(names[i], split)) n_split++;
        if (of_any_split(names[i])) splits = true;
    }
    int rc = 0;
    if (!n_jsonl)
        rc = err_set(e, "%s: no *.jsonl file in this folder", path);
    else if (split && !n_split && splits)
        rc = err_set(e, "%s: no %s.jsonl or %s-*.jsonl here, but files of other splits: name one of those",
                     path, split, split);
    for (size_t i = 0; i < n && !rc; i++) {
        if (!str_ends(names[i], ".jsonl") || (n_split && !of_split(names[i], split))) continue;
        char *file = path_join(path, names[i]);
        rc = rows_read(rows, file, e);
        free(file);
    }
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    return rc;
}

bool dataset_has_split(const char *path, const char *split)
{
    char **names;
    size_t n;
    bool found = false;
    if (!file_is_dir(path) || dir_list(path, &names, &n, NULL)) return false;
    for (size_t i = 0; i < n; i++) {
        if (str_ends(names[i], ".jsonl") && of_split(names[i], split)) found = true;
        free(names[i]);
    }
    free(names);
    return found;
}

int dataset_open(struct dataset *d, const char *path, const char *split, struct err *e)
{
    *d = (struct dataset){.rows = json_array(), .path = hub_resolve(HUB_DATASET, path, e)};
    int rc;
    if (!d->path)
        rc = err_wrap(e, "dataset (a JSONL file or a folder of them)");
    else if (file_is_dir(d->path))
        rc = folder_read(d->rows, d->path, split, e);
    else
        rc = rows_read(d->rows, d->path, e);
    if (!rc && json_array_size(d->rows) == 0) rc = err_set(e, "dataset %s has no rows", path);
    if (rc) dataset_release(d);
    return rc;
}

void dataset_release(struct dataset *d)
{
    json_decref(d->rows);
    free(d->path);
    *d = (struct dataset){0};
}
