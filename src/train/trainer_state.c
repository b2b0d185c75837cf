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

/* log_history as it is written: entry by entry, since a long run has more of them than should be held. */
struct history {
    struct file_out *to;
    long n;
};

/* Two levels deep in the file. */
static int put_entry(struct history *h, const json_t *entry, struct err *e)
{
    struct str out;
    char *text = json_lines(entry);
    str_init(&out, 0);
    str_puts(&out, h->n++ ? ",\n    " : "\n    ");
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        str_add(&out, line, n);
        line += n + (line[n] == '\n');
        if (*line) str_puts(&out, "\n    ");
    }
    int failed = file_out_write(h->to, out.p, out.len, e);
    str_release(&out);
    free(text);
    return failed;
}

/* An evaluation has an entry of its own. */
static int put_evaluation(struct history *h, const json_t *metrics, long step, struct err *e)
{
    json_t *o = json_object(), *v;
    const char *key;
    int failed = 0;
    json_object_foreach((json_t *)metrics, key, v)
    {
        if (str_starts(key, "eval_")) json_object_set(o, key, v);
    }
    if (json_object_size(o)) {
        json_object_set(o, "epoch", json_object_get(metrics, "epoch"));
        json_object_set_new(o, "step", json_integer(step));
        failed = put_entry(h, o, e);
    }
    json_decref(o);
    return failed;
}

/* The entries that a step's record makes; sums: of the steps since the last one. */
static int put_step(struct history *h, const struct trainer *t, json_t *sums, const json_t *record,
                    struct err *e)
{
    long step = (long)json_integer_value(json_object_get(record, "step"));
    int failed = 0;
    gather(sums, record);
    if (step > 0 && console_due(t, step)) {
        json_t *o = entry(sums, step);
        failed = put_entry(h, o, e);
        json_decref(o);
        json_object_clear(sums);
    }
    return failed ? failed : put_evaluation(h, record, step, e);
}

static int put_history(struct file_out *to, const struct trainer *t, struct err *e)
{
    struct history h = {.to = to};
    struct jsonl in;
    json_t *sums = json_object(), *record;
    char *path = path_join(t->dir, "metrics.jsonl");
    int more = jsonl_open(&in, path, e), failed = more;
    free(path);
    if (!more) {
        while (!failed && (more = jsonl_next(&in, &record, e)) > 0) {
            failed = put_step(&h, t, sums, record, e);
            json_decref(record);
        }
        jsonl_close(&in);
    }
    json_decref(sums);
    if (failed || more) return -1;
    return h.n ? file_out_write(to, "\n  ", 3, e) : 0;
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

/* The file's text, where log_history is empty. */
static char *state_text(const struct trainer *t)
{
    double flops = 6.0 * (double)model_n_params(t->model) * t->num_tokens; /* forward 2, backward 4 */
    json_t *o =
        json_pack("{s:n, s:n, s:n, s:f, s:I, s:I, s:b, s:b, s:b, s:[], s:I, s:I, s:I, s:I, s:I, s:{}, s:f, "
                  "s:I, s:n, s:n}",
                  "best_global_step", "best_metric", "best_model_checkpoint", "epoch", trainer_epoch(t),
                  "eval_steps", (json_int_t)t->save_every, "global_step", (json_int_t)t->step,
                  "is_hyper_param_search", 0, "is_local_process_zero", 1, "is_world_process_zero", 1,
                  "log_history", "logging_steps", (json_int_t)t->log_every, "max_steps",
                  (json_int_t)t->total_steps, "num_input_tokens_seen", (json_int_t)t->num_tokens,
                  "num_train_epochs", (json_int_t)ceil(conf_real(t->conf, "num_train_epochs")), "save_steps",
                  (json_int_t)t->save_every, "stateful_callbacks", "total_flos", flops, "train_batch_size",
                  (json_int_t)conf_int(t->conf, "per_device_train_batch_size"), "trial_name", "trial_params");
    CHECK(o, "state of step %ld", t->step);
    if (t->evaluation.best_step >= 0) put_best(t, o);
    char *text = json_lines(o);
    json_decref(o);
    return text;
}

int trainer_state_write(const struct trainer *t, const char *dir, struct err *e)
{
    static const char open[] = "\n  \"log_history\": [";
    char *text = state_text(t), *path = path_join(dir, "trainer_state.json"), *at = strstr(text, open);
    struct file_out to;
    CHECK(at, "no log_history in %s", text);
    at += strlen(open);
    int failed = file_out_open(&to, path, e);
    if (!failed) {
        failed = file_out_write(&to, text, (size_t)(at - text), e) || put_history(&to, t, e) ||
                 file_out_write(&to, at, strlen(at), e) || file_out_write(&to, "\n", 1, e);
        if (failed) file_out_abort(&to);
        if (!failed) failed = file_out_commit(&to, e);
    }
    free(text);
    free(path);
    return failed ? -1 : 0;
}
