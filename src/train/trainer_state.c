/* trainer_state.c: the state file that transformers' Trainer leaves in a checkpoint and at the end of a run.
 *
 * log_history is made from metrics.jsonl: one entry every logging_steps with the means since the entry before
 * (norm, rate and counters: the newest), so that a run that was killed and resumed writes the same bytes as
 * one that nobody touched. Fields and order: transformers/trainer_callback.py, TrainerState; a file with a
 * further field could not be loaded there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "train/train_int.h"

/* key -> [sum, newest, count] of the steps since the last entry. */
static void gather(json_t *sums, const json_t *metrics)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)metrics, key, v)
    {
        if (!json_is_number(v) || str_starts(key, "eval_")) continue;
        const json_t *old = json_object_get(sums, key);
        double x = json_number_value(v), sum = json_number_value(json_array_get(old, 0)),
               n = json_number_value(json_array_get(old, 2));
        json_object_set_new(sums, key, json_pack("[f, O, f]", sum + x, v, n + 1));
    }
}

static json_t *entry(const json_t *sums, long step)
{
    json_t *o = json_object(), *v;
    const char *key;
    json_object_foreach((json_t *)sums, key, v)
    {
        double sum = json_number_value(json_array_get(v, 0)), n = json_number_value(json_array_get(v, 2));
        json_object_set(o, key, json_array_get(v, 1));
        if (!console_is_newest(key)) json_object_set_new(o, key, number_json(sum / n));
    }
    json_object_set_new(o, "step", json_integer(step));
    return o;
}

/* An evaluation has an entry of its own. */
static void add_evaluation(json_t *list, const json_t *metrics, long step)
{
    json_t *o = json_object(), *v;
    const char *key;
    json_object_foreach((json_t *)metrics, key, v)
    {
        if (str_starts(key, "eval_")) json_object_set(o, key, v);
    }
    if (json_object_size(o)) {
        json_object_set(o, "epoch", json_object_get(metrics, "epoch"));
        json_object_set_new(o, "step", json_integer(step));
        json_array_append(list, o);
    }
    json_decref(o);
}

static json_t *history(const struct trainer *t, struct err *e)
{
    struct jsonl in;
    json_t *list = json_array(), *sums = json_object(), *record;
    char *path = path_join(t->dir, "metrics.jsonl");
    int more = jsonl_open(&in, path, e);
    free(path);
    if (!more) {
        while ((more = jsonl_next(&in, &record, e)) > 0) {
            long step = (long)json_integer_value(json_object_get(record, "step"));
            gather(sums, record);
            if (step > 0 && console_due(t, step)) {
                json_array_append_new(list, entry(sums, step));
                json_object_clear(sums);
            }
            add_evaluation(list, record, step);
            json_decref(record);
        }
        jsonl_close(&in);
    }
    json_decref(sums);
    if (!more) return list;
    json_decref(list);
    return NULL;
}

static void put_best(const struct trainer *t, json_t *o)
{
    struct str path;
    str_init(&path, 0);
    str_addf(&path, "%s/checkpoint-%ld", t->dir, t->evaluation.best_step);
    json_object_set_new(o, "best_global_step", json_integer(t->evaluation.best_step));
    json_object_set_new(o, "best_metric", json_real(t->evaluation.best));
    json_object_set_new(o, "best_model_checkpoint", json_string(path.p));
    str_release(&path);
}

int trainer_state_write(const struct trainer *t, const char *dir, struct err *e)
{
    json_t *list = history(t, e);
    if (!list) return -1;
    double flops = 6.0 * (double)model_n_params(t->model) * t->num_tokens; /* forward 2, backward 4 */
    json_t *o =
        json_pack("{s:n, s:n, s:n, s:f, s:I, s:I, s:b, s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:{}, s:f, "
                  "s:I, s:n, s:n}",
                  "best_global_step", "best_metric", "best_model_checkpoint", "epoch", trainer_epoch(t),
                  "eval_steps", (json_int_t)t->save_every, "global_step", (json_int_t)t->step,
                  "is_hyper_param_search", 0, "is_local_process_zero", 1, "is_world_process_zero", 1,
                  "log_history", list, "logging_steps", (json_int_t)t->log_every, "max_steps",
                  (json_int_t)t->total_steps, "num_input_tokens_seen", (json_int_t)t->num_tokens,
                  "num_train_epochs", (json_int_t)ceil(conf_real(t->conf, "num_train_epochs")), "save_steps",
                  (json_int_t)t->save_every, "stateful_callbacks", "total_flos", flops, "train_batch_size",
                  (json_int_t)conf_int(t->conf, "per_device_train_batch_size"), "trial_name", "trial_params");
    CHECK(o, "state of step %ld", t->step);
    if (t->evaluation.best_step >= 0) put_best(t, o);
    char *path = path_join(dir, "trainer_state.json");
    int failed = json_write_file(o, path, e);
    json_decref(o);
    free(path);
    return failed;
}
