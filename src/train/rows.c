/* rows.c: the rows that a run trains on: one dataset, or a mixture of shares of several.
 *
 * A mixture keeps int(n weight) rows of each part, drawn by a shuffle, joins them and shuffles the whole, as
 * Open-R1's dataset_mixture does. The shuffles are keyed by the mixture's own seed, so that two runs with
 * different training seeds can see the same mixture.
 */
#include "train/train_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "net/hub.h"

struct part {
    const char *id, *config, *split;
    const json_t *columns;
    double weight;
};

void rows_release(struct rows *r)
{
    json_decref(r->rows);
    json_decref(r->held_out);
    for (int i = 0; i < r->n_paths; i++) free(r->paths[i]);
    *r = (struct rows){0};
}

/* Where NAME lies, or the folder CONFIG in it. */
static char *part_path(const char *name, const char *config, struct err *e)
{
    char *root = hub_resolve(HUB_DATASET, name, e);
    if (!root || !config || !*config) return root;
    char *path = path_join(root, config);
    free(root);
    if (file_is_dir(path)) return path;
    err_set(e, "%s: the dataset has no folder '%s' (dataset_config)", name, config);
    free(path);
    return NULL;
}

static int part_load(const struct part *p, struct rows *r, json_t **rows, struct err *e)
{
    struct dataset d;
    char *path = part_path(p->id, p->config, e);
    if (!path) return -1;
    if (dataset_open(&d, path, p->split, e)) {
        free(path);
        return -1;
    }
    r->paths[r->n_paths++] = path;
    *rows = json_incref(d.rows);
    dataset_release(&d);
    return 0;
}

static void permute(json_t *rows, size_t keep, const struct rng_at *at, json_t *out)
{
    size_t n = json_array_size(rows);
    uint32_t *order = alloc_zero(n + 1, sizeof *order);
    rng_permutation(at, order, (uint32_t)n);
    for (size_t i = 0; i < keep; i++) json_array_append(out, json_array_get(rows, order[i]));
    free(order);
}

static json_t *pick_columns(json_t *row, const json_t *columns)
{
    json_t *out = json_object(), *name;
    size_t i;
    json_array_foreach(columns, i, name)
    {
        json_t *value = json_object_get(row, json_string_value(name));
        if (value) json_object_set(out, json_string_value(name), value);
    }
    return out;
}

static int part_read(const json_t *entry, size_t index, struct part *p, struct err *e)
{
    *p = (struct part){.id = json_str_or(entry, "id", NULL),
                       .config = json_str_or(entry, "config", NULL),
                       .split = json_str_or(entry, "split", "train"),
                       .columns = json_object_get(entry, "columns"),
                       .weight = 1};
    if (!p->id) return err_usage(e, "dataset_mixture: datasets[%zu] has no id", index);
    if (p->columns && !json_is_array(p->columns) && !json_is_null(p->columns))
        return err_usage(e, "dataset_mixture: columns of %s must be a list", p->id);
    const json_t *weight = json_object_get(entry, "weight");
    if (json_is_number(weight)) p->weight = json_number_value(weight);
    if (!(p->weight > 0 && p->weight <= 1))
        return err_usage(e, "dataset_mixture: weight of %s is %g; expected above 0, at most 1", p->id,
                         p->weight);
    return 0;
}

static int mixture_add(const json_t *entry, size_t index, uint64_t seed, struct rows *r, struct err *e)
{
    struct part p;
    json_t *rows = NULL, *kept = NULL;
    if (part_read(entry, index, &p, e) || part_load(&p, r, &rows, e)) return -1;
    struct rng_at at = {.seed = seed, .purpose = RNG_SHUFFLE, .sequence = (uint32_t)index + 1};
    size_t keep = (size_t)floor((double)json_array_size(rows) * p.weight), i;
    json_t *row;
    kept = json_array();
    permute(rows, keep, &at, kept);
    json_array_foreach(kept, i, row)
    {
        if (json_is_array(p.columns))
            json_array_append_new(r->rows, pick_columns(row, p.columns));
        else
            json_array_append(r->rows, row);
    }
    json_decref(rows);
    json_decref(kept);
    return 0;
}

/* test_split_size: that share of the mixed rows, or so many when it is 1 or more, are held out. */
static int mixture_split(const json_t *mixture, struct rows *r, struct err *e)
{
    const json_t *size = json_object_get(mixture, "test_split_size");
    size_t n = json_array_size(r->rows);
    if (!size || json_is_null(size)) return 0;
    double share = json_number_value(size), held = share < 1 ? ceil(share * (double)n) : floor(share);
    if (!(share > 0 && held < (double)n))
        return err_usage(e,
                         "dataset_mixture: test_split_size must be a share between 0 and 1, or a number of "
                         "rows below the %zu there are",
                         n);
    r->held_out = json_array();
    for (size_t i = 0; i < (size_t)held; i++) json_array_append(r->held_out, json_array_get(r->rows, i));
    json_t *rest = json_array();
    for (size_t i = (size_t)held; i < n; i++) json_array_append(rest, json_array_get(r->rows, i));
    json_decref(r->rows);
    r->rows = rest;
    return 0;
}

static int mixture_open(const json_t *mixture, struct rows *r, struct err *e)
{
    const json_t *list = json_object_get(mixture, "datasets"), *entry;
    long seed = 0;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > PARTS_MAX)
        return err_usage(e, "dataset_mixture: 'datasets' must be a list of 1 to %d datasets", PARTS_MAX);
    if (json_get_int_or(mixture, "seed", 0, &seed, e)) return -1;
    r->rows = json_array();
    json_array_foreach(list, i, entry)
    {
        if (mixture_add(entry, i, (uint64_t)seed, r, e)) return -1;
    }
    struct rng_at at = {.seed = (uint64_t)seed, .purpose = RNG_SHUFFLE};
    json_t *all = json_array();
    permute(r->rows, json_array_size(r->rows), &at, all);
    json_decref(r->rows);
    r->rows = all;
    return mixture_split(mixture, r, e);
}

/* The rows to evaluate on: of eval_dataset_name, of the mixture's split, or of dataset_test_split. */
static int held_out_open(struct rows *r, struct conf *c, struct err *e)
{
    struct part p = {.id = conf_str(c, "eval_dataset_name")};
    const char *split = conf_str(c, "dataset_test_split");
    if (!evaluation_wanted(c)) {
        json_decref(r->held_out);
        r->held_out = NULL;
        return 0;
    }
    if (p.id && *p.id) {
        json_decref(r->held_out);
        r->held_out = NULL;
        return part_load(&p, r, &r->held_out, e);
    }
    if (r->held_out) return 0;
    if (conf_is_set(c, "dataset_mixture"))
        return err_usage(e, "evaluation during training is asked for, but dataset_mixture holds nothing out: "
                            "give its test_split_size, or eval_dataset_name");
    p = (struct part){
        .id = conf_str(c, "dataset_name"), .config = conf_str(c, "dataset_config"), .split = split};
    char *path = part_path(p.id, p.config, e);
    if (!path) return -1;
    bool has = dataset_has_split(path, split);
    free(path);
    if (!has)
        return err_usage(e,
                         "evaluation during training is asked for, but %s has no %s.jsonl or %s-*.jsonl "
                         "(dataset_test_split): give eval_dataset_name, or leave eval_strategy out",
                         p.id, split, split);
    return part_load(&p, r, &r->held_out, e);
}

int rows_open(struct rows *r, struct trainer *t, struct err *e)
{
    struct conf *c = t->conf;
    *r = (struct rows){0};
    json_t *mixture = conf_map(c, "dataset_mixture");
    struct part one = {.id = conf_str(c, "dataset_name"),
                       .config = conf_str(c, "dataset_config"),
                       .split = conf_str(c, "dataset_train_split")};
    int status = -1;
    if (mixture)
        status = mixture_open(mixture, r, e);
    else if (one.id)
        status = part_load(&one, r, &r->rows, e);
    else
        err_usage(e, "no data: give dataset_name or dataset_mixture");
    json_decref(mixture);
    if (status == 0 && json_array_size(r->rows) == 0)
        status = err_set(e, "%s: the dataset has no rows", r->n_paths ? r->paths[0] : "dataset");
    if (status == 0 && conf_is_set(c, "max_train_samples")) {
        json_t *kept = json_array();
        size_t most = (size_t)conf_int(c, "max_train_samples");
        for (size_t i = 0; i < most && i < json_array_size(r->rows); i++)
            json_array_append(kept, json_array_get(r->rows, i));
        json_decref(r->rows);
        r->rows = kept;
    }
    if (status == 0) status = held_out_open(r, c, e);
    if (status) rows_release(r);
    return status;
}
