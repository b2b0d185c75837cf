/* rows.c: the rows that a configuration names: to train on, and those that are held out to evaluate on. */
#include "train/train_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

static int held_out_load(struct rows *r, const struct dataset_name *d, struct err *e)
{
    struct row_list out;
    if (rows_load(r, d, &out, e)) return -1;
    r->held_out = out.rows;
    r->held_places = out.places;
    return 0;
}

/* The rows to evaluate on: of eval_dataset_name, of the mixture's split, or of dataset_test_split. */
static int held_out_open(struct rows *r, struct conf *c, struct err *e)
{
    struct dataset_name p = {.id = conf_str(c, "eval_dataset_name")};
    const char *split = conf_str(c, "dataset_test_split");
    bool wanted = evaluation_wanted(c), own = p.id && *p.id;
    if (!wanted || own) {
        struct row_list held = {r->held_out, r->held_places};
        row_list_release(&held);
        r->held_out = NULL;
        r->held_places = NULL;
    }
    if (!wanted || r->held_out) return 0;
    if (own) return held_out_load(r, &p, e);
    if (conf_is_set(c, "dataset_mixture") || conf_is_set(c, "datasets"))
        return err_usage(e,
                         "evaluation during training is asked for, but %s holds nothing out: give "
                         "test_split_size, or eval_dataset_name",
                         conf_is_set(c, "datasets") ? "datasets" : "dataset_mixture");
    p.id = conf_str(c, "dataset_name");
    p.config = conf_str(c, "dataset_config");
    p.split = split;
    char *path = dataset_path(&p, e);
    if (!path) return -1;
    bool has = dataset_has_split(path, split);
    free(path);
    if (!has)
        return err_usage(e,
                         "evaluation during training is asked for, but %s has no %s.jsonl or %s-*.jsonl "
                         "(dataset_test_split): give eval_dataset_name, or leave eval_strategy out",
                         p.id, split, split);
    return held_out_load(r, &p, e);
}

/* max_train_samples */
static void keep_first(struct rows *r, size_t most)
{
    struct row_list rows = {r->rows, r->places};
    if (most >= json_array_size(r->rows)) return;
    struct row_list kept = row_list_slice(&rows, 0, most);
    row_list_release(&rows);
    r->rows = kept.rows;
    r->places = kept.places;
}

/* A file is one split, the training rows; and a split is taken whole. */
static int check_split(const struct dataset_name *d, struct err *e)
{
    if (strchr(d->split, '['))
        return err_usage(e,
                         "dataset_train_split '%s': a split is taken whole; max_train_samples takes its "
                         "first rows",
                         d->split);
    char *path = dataset_path(d, e);
    if (!path) return -1;
    bool file = !file_is_dir(path), named = str_starts(path_base(path), d->split);
    free(path);
    if (!file || named || strcmp(d->split, "train") == 0) return 0;
    return err_usage(e,
                     "dataset_train_split '%s': %s is one file, all of it the split train; give the file of "
                     "that split, or a folder with %s.jsonl in it",
                     d->split, d->id, d->split);
}

/* datasets, TRL's mixture; an item that is no map is a path. */
static int joined_open(struct rows *r, struct conf *c, struct err *e)
{
    const char *const *items;
    size_t n = conf_list(c, "datasets", &items);
    json_t *list = json_array(), *held = NULL;
    int failed = 0;
    for (size_t i = 0; i < n && !failed; i++) {
        bool map = items[i][0] == '{';
        json_t *item = map ? json_read_bytes(items[i], strlen(items[i]), "datasets", e)
                           : json_pack("{s:s}", "path", items[i]);
        failed = item ? json_array_append_new(list, item) : -1;
    }
    if (conf_is_set(c, "test_split_size")) held = json_real(conf_real(c, "test_split_size"));
    if (!failed) failed = rows_join(r, list, held, e);
    json_decref(list);
    json_decref(held);
    return failed;
}

static int one_open(struct rows *r, const struct dataset_name *one, struct err *e)
{
    struct row_list rows = {0};
    int failed = check_split(one, e) || rows_load(r, one, &rows, e);
    r->rows = rows.rows;
    r->places = rows.places;
    return failed ? -1 : 0;
}

int rows_open(struct rows *r, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    *r = (struct rows){0};
    json_t *mixture = conf_map(c, "dataset_mixture");
    struct dataset_name one = {.id = conf_str(c, "dataset_name"),
                               .config = conf_str(c, "dataset_config"),
                               .split = conf_str(c, "dataset_train_split")};
    int status = -1;
    bool joined = conf_is_set(c, "datasets");
    if ((mixture || joined) && one.id)
        log_warn("%s is given, so dataset_name is not read", mixture ? "dataset_mixture" : "datasets");
    if (mixture && joined)
        err_usage(e, "dataset_mixture and datasets are two ways to say the same; give one of them");
    else if (mixture)
        status = rows_mix(r, mixture, e);
    else if (joined)
        status = joined_open(r, c, e);
    else if (one.id)
        status = one_open(r, &one, e);
    else
        err_usage(e, "no data: give dataset_name, dataset_mixture or datasets");
    json_decref(mixture);
    if (status == 0 && json_array_size(r->rows) == 0)
        status = err_set(e, "%s: the dataset has no rows", r->n_paths ? r->paths[0] : "dataset");
    if (status == 0 && conf_is_set(c, "max_train_samples"))
        keep_first(r, (size_t)conf_int(c, "max_train_samples"));
    if (status == 0) status = held_out_open(r, c, e);
    if (status) rows_release(r);
    return status;
}
