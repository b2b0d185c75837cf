/* mix.c: rows of one dataset, or of several: Open-R1's dataset_mixture, TRL's datasets. Each has its place.
 *
 * A mixture keeps int(n weight) rows of each part, drawn by a shuffle (weight null: all, in their order),
 * joins them and shuffles the whole, as Open-R1's dataset_mixture does. The shuffles are keyed by the
 * mixture's own seed, so that two runs with different training seeds can see the same mixture. Its
 * test_split_size takes its share from the front of the whole.
 *
 * TRL's datasets stand one behind the other. With fractions f_i, of all or of none, there are as many rows
 * as there can be without taking any twice: N = min n_i sum(f) / f_i, and the first round(N f_i / sum(f)) of
 * each (trl/scripts/utils.py, get_dataset). What test_split_size holds out is drawn by a shuffle with seed 0.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "data/data.h"
#include "net/hub.h"

struct part {
    struct dataset_name from;
    const json_t *columns;
    double weight;
    bool shuffled;
};

/* ---- rows with their places ------------------------------------------------------------------------- */

void row_list_release(struct row_list *l)
{
    json_decref(l->rows);
    free(l->places);
    *l = (struct row_list){0};
}

/* Empty, with room for n rows. */
static void list_init(struct row_list *l, size_t n)
{
    *l = (struct row_list){json_array(), alloc_zero(n + 1, sizeof *l->places)};
}

static void list_push(struct row_list *l, json_t *row, struct row_place place)
{
    l->places[json_array_size(l->rows)] = place;
    json_array_append(l->rows, row);
}

struct row_list row_list_slice(const struct row_list *l, size_t from, size_t to)
{
    struct row_list out;
    list_init(&out, to - from);
    for (size_t i = from; i < to; i++) list_push(&out, json_array_get(l->rows, i), l->places[i]);
    return out;
}

/* The first `keep` rows of the permutation for this place. */
static struct row_list list_shuffled(const struct row_list *l, size_t keep, const struct rng_at *at)
{
    struct row_list out;
    size_t n = json_array_size(l->rows);
    uint32_t *order = alloc_zero(n + 1, sizeof *order);
    rng_permutation(at, order, (uint32_t)n);
    list_init(&out, keep);
    for (size_t i = 0; i < keep; i++) list_push(&out, json_array_get(l->rows, order[i]), l->places[order[i]]);
    free(order);
    return out;
}

void rows_release(struct rows *r)
{
    struct row_list held = {r->held_out, r->held_places}, rows = {r->rows, r->places};
    row_list_release(&rows);
    row_list_release(&held);
    for (int i = 0; i < r->n_paths; i++) {
        free(r->paths[i]);
        dataset_release(&r->sets[i]);
    }
    *r = (struct rows){0};
}

/* ---- parts ------------------------------------------------------------------------------------------ */

char *dataset_path(const struct dataset_name *d, struct err *e)
{
    char *root = hub_resolve(HUB_DATASET, d->id, e);
    if (!root || !d->config || !*d->config) return root;
    char *path = path_join(root, d->config);
    if (file_is_dir(path)) {
        free(root);
        return path;
    }
    if (strcmp(d->config, "default") == 0) { /* a hub's name for what lies at the top */
        free(path);
        return root;
    }
    free(root);
    err_set(e, "%s: the dataset has no folder '%s' (dataset_config)", d->id, d->config);
    free(path);
    return NULL;
}

int rows_load(struct rows *r, const struct dataset_name *from, struct row_list *out, struct err *e)
{
    struct dataset *d = &r->sets[r->n_paths];
    char *path = dataset_path(from, e);
    if (!path) return -1;
    if (dataset_open(d, path, from->split, e)) {
        free(path);
        return -1;
    }
    if (json_array_size(d->rows) >= (size_t)1 << 30) {
        free(path);
        dataset_release(d);
        err_set(e, "%s: more than 2^30 rows", from->id);
        return -1;
    }
    r->paths[r->n_paths++] = path;
    struct row_list all = {d->rows, d->places};
    *out = row_list_slice(&all, 0, json_array_size(d->rows));
    json_array_clear(d->rows); /* what is kept of them is in out */
    return 0;
}

/* Every row gets all of them: one that a row does not have is null there. */
static json_t *pick_columns(json_t *row, const json_t *columns)
{
    json_t *out = json_object(), *name;
    size_t i;
    json_array_foreach(columns, i, name)
    {
        json_t *value = json_object_get(row, json_string_value(name));
        json_object_set(out, json_string_value(name), value ? value : json_null());
    }
    return out;
}

/* The first n rows of `more`, their columns (NULL: all), behind those of `all`. */
static void list_append(struct row_list *all, const struct row_list *more, size_t n, const json_t *columns)
{
    size_t before = json_array_size(all->rows);
    all->places = alloc_again(all->places, (before + n + 1) * sizeof *all->places);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array_get(more->rows, i);
        row = columns ? pick_columns(row, columns) : json_incref(row);
        list_push(all, row, more->places[i]);
        json_decref(row);
    }
}

/* A misspelt key would silently change the data. */
static int keys_check(const json_t *o, const char *known, const char *what, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value)
    {
        const char *at = strstr(known, key);
        size_t n = strlen(key);
        if (!at || (at != known && at[-1] != ' ') || (at[n] != ' ' && at[n] != 0))
            return err_usage(e, "%s: unknown key '%s'; there are: %s", what, key, known);
    }
    return 0;
}

static int part_read(const json_t *entry, size_t index, struct part *p, struct err *e)
{
    const json_t *weight = json_object_get(entry, "weight");
    *p = (struct part){.from = {.id = json_str_or(entry, "id", NULL),
                                .config = json_str_or(entry, "config", NULL),
                                .split = json_str_or(entry, "split", "train")},
                       .columns = json_object_get(entry, "columns"),
                       .weight = 1,
                       .shuffled = !json_is_null(weight)};
    if (!json_is_object(entry))
        return err_usage(e, "dataset_mixture: datasets[%zu] must be a mapping", index);
    if (keys_check(entry, "id config split columns weight", "dataset_mixture: a dataset", e)) return -1;
    if (!p->from.id) return err_usage(e, "dataset_mixture: datasets[%zu] has no id", index);
    if (json_is_null(p->columns)) p->columns = NULL;
    if (p->columns && !json_is_array(p->columns))
        return err_usage(e, "dataset_mixture: columns of %s must be a list", p->from.id);
    if (json_is_number(weight)) p->weight = json_number_value(weight);
    bool number = !weight || json_is_null(weight) || json_is_number(weight);
    if (!number || !(p->weight > 0 && p->weight <= 1))
        return err_usage(e, "dataset_mixture: weight of %s must be a number above 0, at most 1, or null",
                         p->from.id);
    return 0;
}

/* The same columns, in whatever order. */
static bool same_columns(const json_t *a, const json_t *b)
{
    size_t i, k;
    json_t *x, *y;
    if (json_array_size(a) != json_array_size(b)) return false;
    json_array_foreach((json_t *)a, i, x)
    {
        bool found = false;
        json_array_foreach((json_t *)b, k, y) found = found || json_equal(x, y);
        if (!found) return false;
    }
    return true;
}

/* A column that no row has is a misspelt one. */
static int columns_there(const struct row_list *rows, const struct part *p, struct err *e)
{
    size_t i, k;
    const json_t *row, *name;
    json_array_foreach((json_t *)p->columns, i, name)
    {
        bool found = json_array_size(rows->rows) == 0;
        if (!json_is_string(name))
            return err_usage(e, "dataset_mixture: columns[%zu] of %s must be a text", i, p->from.id);
        json_array_foreach(rows->rows, k, row)
        {
            found = found || json_object_get(row, json_string_value(name));
            if (found) break;
        }
        if (!found)
            return err_set(e, "dataset_mixture: no row of %s has a column '%s'", p->from.id,
                           json_string_value(name));
    }
    return 0;
}

/* ---- a mixture -------------------------------------------------------------------------------------- */

static int mixture_add(const json_t *entry, size_t index, uint64_t seed, struct rows *r, struct row_list *all,
                       struct err *e)
{
    struct part p;
    struct row_list rows, kept;
    if (part_read(entry, index, &p, e) || rows_load(r, &p.from, &rows, e)) return -1;
    if (columns_there(&rows, &p, e)) {
        row_list_release(&rows);
        return -1;
    }
    struct rng_at at = {.seed = seed, .purpose = RNG_SHUFFLE, .sequence = (uint32_t)index + 1};
    size_t n = json_array_size(rows.rows);
    size_t keep = (size_t)floor((double)n * p.weight);
    kept = p.shuffled ? list_shuffled(&rows, keep, &at) : row_list_slice(&rows, 0, n);
    list_append(all, &kept, json_array_size(kept.rows), p.columns);
    row_list_release(&rows);
    row_list_release(&kept);
    return 0;
}

static int mixture_check(const json_t *mixture, const json_t *list, struct err *e)
{
    const json_t *entry, *columns = NULL;
    size_t i;
    if (keys_check(mixture, "datasets seed test_split_size", "dataset_mixture", e)) return -1;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > PARTS_MAX)
        return err_usage(e, "dataset_mixture: 'datasets' must be a list of 1 to %d datasets", PARTS_MAX);
    json_array_foreach((json_t *)list, i, entry)
    {
        const json_t *own = json_object_get(entry, "columns");
        if (!json_is_array(own)) continue;
        if (columns && !same_columns(columns, own))
            return err_usage(e,
                             "dataset_mixture: datasets[%zu] has other columns than those before it; all "
                             "that name columns must name the same",
                             i);
        columns = own;
    }
    return 0;
}

/* test_split_size: that share of the mixed rows, or so many when it is 1 or more, are held out. */
static int hold_out(const json_t *size, struct rows *r, const struct row_list *all, struct err *e)
{
    size_t n = json_array_size(all->rows), held = 0;
    if (size && !json_is_null(size)) {
        double share = json_number_value(size), rows = share < 1 ? ceil(share * (double)n) : floor(share);
        if (!(share > 0 && rows < (double)n))
            return err_usage(e,
                             "test_split_size must be a share between 0 and 1, or a number of rows below the "
                             "%zu there are",
                             n);
        held = (size_t)rows;
    }
    if (held) {
        struct row_list out = row_list_slice(all, 0, held);
        r->held_out = out.rows;
        r->held_places = out.places;
    }
    struct row_list rest = row_list_slice(all, held, n);
    r->rows = rest.rows;
    r->places = rest.places;
    return 0;
}

int rows_mix(struct rows *r, const json_t *mixture, struct err *e)
{
    const json_t *list = json_object_get(mixture, "datasets"), *entry;
    long seed = 0;
    size_t i;
    struct row_list all, mixed;
    int failed = 0;
    if (mixture_check(mixture, list, e) || json_get_int_or(mixture, "seed", 0, &seed, e)) return -1;
    list_init(&all, 0);
    json_array_foreach((json_t *)list, i, entry)
    {
        if (!failed) failed = mixture_add(entry, i, (uint64_t)seed, r, &all, e);
    }
    struct rng_at at = {.seed = (uint64_t)seed, .purpose = RNG_SHUFFLE};
    mixed = list_shuffled(&all, json_array_size(all.rows), &at);
    if (!failed) failed = hold_out(json_object_get(mixture, "test_split_size"), r, &mixed, e);
    row_list_release(&all);
    row_list_release(&mixed);
    return failed;
}

/* ---- TRL's datasets ----------------------------------------------------------------------------------- */

struct joined {
    const json_t *entry, *columns;
    double fraction;
    struct row_list rows;
};

/* load_dataset's names of file formats, which stand for a path where data_files says the files. */
static bool is_format(const char *path)
{
    return strcmp(path, "json") == 0 || strcmp(path, "parquet") == 0;
}

/* One of data_files: by itself, or in the dataset's folder. */
static int join_file(struct joined *j, const struct dataset_name *from, const json_t *name, struct rows *r,
                     struct err *e)
{
    const char *file = json_string_value(name);
    struct row_list rows;
    if (!file) return err_usage(e, "datasets: data_files of %s must be names of files", from->id);
    if (r->n_paths > PARTS_MAX) return err_usage(e, "datasets: more than %d files", PARTS_MAX);
    char *root = is_format(from->id) ? NULL : dataset_path(from, e);
    if (!root && !is_format(from->id)) return -1;
    char *path = root ? path_join(root, file) : alloc_str(file);
    int failed = rows_load(r, &(struct dataset_name){.id = path}, &rows, e);
    free(root);
    free(path);
    if (failed) return -1;
    list_append(&j->rows, &rows, json_array_size(rows.rows), NULL);
    row_list_release(&rows);
    return 0;
}

static int join_files(struct joined *j, const struct dataset_name *from, const json_t *files, struct rows *r,
                      struct err *e)
{
    const json_t *name;
    size_t i;
    if (json_is_object(files)) files = json_object_get(files, from->split);
    if (json_is_string(files)) return join_file(j, from, files, r, e);
    if (json_array_size(files) == 0)
        return err_usage(e, "datasets: data_files of %s names no file of split %s", from->id, from->split);
    json_array_foreach((json_t *)files, i, name)
    {
        if (join_file(j, from, name, r, e)) return -1;
    }
    return 0;
}

/* {path, name, data_dir, data_files, split, columns, fraction} */
static int join_load(struct joined *j, size_t index, struct rows *r, struct err *e)
{
    const json_t *fraction = json_object_get(j->entry, "fraction");
    const json_t *files = json_object_get(j->entry, "data_files");
    const char *dir = json_str_or(j->entry, "data_dir", NULL);
    struct dataset_name from = {.id = json_str_or(j->entry, "path", NULL),
                                .config = json_str_or(j->entry, "name", dir),
                                .split = json_str_or(j->entry, "split", "train")};
    if (!json_is_object(j->entry) || !from.id)
        return err_usage(e, "datasets[%zu] must be a mapping with a path", index);
    if (keys_check(j->entry, "path name data_dir data_files split columns fraction", "datasets", e))
        return -1;
    j->columns = json_object_get(j->entry, "columns");
    if (json_is_null(j->columns)) j->columns = NULL;
    if (j->columns && !json_is_array(j->columns))
        return err_usage(e, "datasets: columns of %s must be a list", from.id);
    bool wanted = fraction && !json_is_null(fraction);
    j->fraction = json_number_value(fraction);
    if (wanted && !(j->fraction > 0))
        return err_usage(e, "datasets: fraction of %s must be a number above 0", from.id);
    if (files && !json_is_null(files)) return join_files(j, &from, files, r, e);
    row_list_release(&j->rows);
    return rows_load(r, &from, &j->rows, e);
}

/* How many rows of each are kept. */
static int join_shares(const struct joined *j, size_t n, size_t *keep, struct err *e)
{
    double sum = 0, total = INFINITY;
    size_t given = 0;
    for (size_t i = 0; i < n; i++) {
        keep[i] = json_array_size(j[i].rows.rows);
        given += j[i].fraction > 0;
        sum += j[i].fraction;
    }
    if (given == 0) return 0;
    if (given != n) return err_usage(e, "datasets: fraction must be given for all datasets or for none");
    for (size_t i = 0; i < n; i++) {
        double rows = (double)keep[i] / (j[i].fraction / sum);
        if (rows < total) total = rows;
    }
    for (size_t i = 0; i < n; i++) keep[i] = (size_t)rint(j[i].fraction / sum * total);
    return 0;
}

static int join_all(struct joined *j, size_t n, const json_t *held, struct rows *r, struct err *e)
{
    struct row_list all;
    size_t keep[PARTS_MAX];
    for (size_t i = 0; i < n; i++)
        if (join_load(&j[i], i, r, e)) return -1;
    if (join_shares(j, n, keep, e)) return -1;
    list_init(&all, 0);
    for (size_t i = 0; i < n; i++) list_append(&all, &j[i].rows, keep[i], j[i].columns);
    if (held && !json_is_null(held)) {
        struct rng_at at = {.purpose = RNG_SHUFFLE};
        struct row_list mixed = list_shuffled(&all, json_array_size(all.rows), &at);
        row_list_release(&all);
        all = mixed;
    }
    int failed = hold_out(held, r, &all, e);
    row_list_release(&all);
    return failed;
}

int rows_join(struct rows *r, const json_t *list, const json_t *held, struct err *e)
{
    struct joined parts[PARTS_MAX];
    size_t n = json_array_size(list);
    if (n > PARTS_MAX) return err_usage(e, "datasets: %zu, at most %d", n, PARTS_MAX);
    for (size_t i = 0; i < n; i++) {
        parts[i] = (struct joined){.entry = json_array_get(list, i)};
        list_init(&parts[i].rows, 0);
    }
    int failed = join_all(parts, n, held, r, e);
    for (size_t i = 0; i < n; i++) row_list_release(&parts[i].rows);
    return failed;
}
