/* checkpoint.c: all that a run needs to go on as if it had never stopped.
 *
 *   checkpoint-N/  the model in Hugging Face layout, in the type that it is trained in
 *                  optimizer.safetensors   AdamW's moments
 *                  resume.json             step, counters, hashes of weights, moments and log
 *                  rollouts.jsonl          what the algorithm adds (GRPO: the window in use)
 *                  trainer_state.json      for people and tools that know transformers; not read here
 *
 * The folder is made under another name, synced, and renamed: one that is called checkpoint-N is whole.
 * The order of the data and every random number are functions of the step, so no generator state is kept.
 * Loading checks the hash of the weights.
 */
#include "train/train_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#define PREFIX "checkpoint-"

/* N of a name "checkpoint-N", or -1. */
static long step_of(const char *name)
{
    if (!str_starts(name, PREFIX)) return -1;
    const char *digits = name + strlen(PREFIX);
    if (!*digits || strlen(digits) > 9 || strspn(digits, "0123456789") != strlen(digits)) return -1;
    return strtol(digits, NULL, 10);
}

static int long_compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* Steps of the checkpoints in dir, ascending (free() them). */
static long *list_steps(const char *dir, size_t *n)
{
    char **names = NULL;
    size_t count = 0;
    *n = 0;
    if (!file_is_dir(dir) || dir_list(dir, &names, &count, NULL)) return NULL;
    long *steps = alloc_zero(count + 1, sizeof *steps);
    for (size_t i = 0; i < count; i++) {
        long step = step_of(names[i]);
        if (step >= 0) steps[(*n)++] = step;
        free(names[i]);
    }
    free(names);
    qsort(steps, *n, sizeof *steps, long_compare);
    return steps;
}

static char *step_path(const char *dir, long step, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, PREFIX "%ld%s", step, suffix);
    return path_join(dir, name);
}

char *checkpoint_newest(const char *dir)
{
    size_t n;
    long *steps = list_steps(dir, &n);
    char *path = n ? step_path(dir, steps[n - 1], "") : NULL;
    free(steps);
    return path;
}

bool checkpoint_is(const char *path)
{
    char *state = path_join(path, "resume.json");
    bool is = file_exists(state);
    free(state);
    return is;
}

void checkpoint_names(const char *dir, struct str *out)
{
    size_t n;
    long *steps = list_steps(dir, &n);
    for (size_t i = 0; i < n; i++) str_addf(out, "%s" PREFIX "%ld", i ? ", " : "", steps[i]);
    free(steps);
}

/* Renamed first, so that a kill never leaves half a folder under the name of a whole one. */
static int remove_step(const char *dir, long step, struct err *e)
{
    char *path = step_path(dir, step, ""), *doomed = step_path(dir, step, ".old");
    file_remove_tree(doomed, NULL); /* of a removal that a kill cut short */
    int failed = file_rename(path, doomed, e) || file_remove_tree(doomed, e);
    free(path);
    free(doomed);
    return failed ? -1 : 0;
}

int checkpoint_cut(const char *dir, long step, struct err *e)
{
    size_t n;
    int failed = 0;
    long *steps = list_steps(dir, &n);
    for (size_t i = 0; i < n && !failed; i++)
        if (steps[i] > step) failed = remove_step(dir, steps[i], e);
    free(steps);
    return failed;
}

char *checkpoint_before(const char *dir, long step, long *at)
{
    size_t n;
    char *found = NULL;
    long *steps = list_steps(dir, &n);
    for (size_t i = n; i-- > 0 && !found;) {
        if (steps[i] > step) continue;
        char *path = step_path(dir, steps[i], ""), *moments = path_join(path, "optimizer.safetensors");
        if (file_exists(moments)) {
            found = path;
            *at = steps[i];
        } else {
            free(path);
        }
        free(moments);
    }
    free(steps);
    return found;
}

int checkpoint_prune(const char *dir, int keep, long best, struct err *e)
{
    size_t n;
    int failed = 0;
    long *steps = list_steps(dir, &n);
    size_t doomed = n > (size_t)keep ? n - (size_t)keep : 0;
    for (size_t i = 0; i < doomed && keep > 1; i++)
        if (steps[i] == best) {
            doomed++;
            break;
        }
    for (size_t i = 0; i < doomed && !failed; i++)
        if (steps[i] != best) failed = remove_step(dir, steps[i], e);
    free(steps);
    return failed;
}

/* ---- saving ---------------------------------------------------------------------------------------- */

/* The hash of the optimiser's file, "" if there is none. */
static int moments_hash(const char *dir, char hex[HASH_HEX], struct err *e)
{
    char *path = path_join(dir, "optimizer.safetensors");
    hex[0] = 0;
    int failed = file_exists(path) ? hash_file(path, hex, e) : 0;
    free(path);
    return failed;
}

static int write_state(struct trainer *t, const char *dir, struct err *e)
{
    char head[HASH_HEX], moments[HASH_HEX];
    if (moments_hash(dir, moments, e)) return -1;
    char *path = path_join(dir, "resume.json");
    runlog_head(t->log, head);
    if (!t->last_hash[0]) model_hash(t->model, t->last_hash);
    json_t *state =
        json_pack("{s:I, s:f, s:I, s:f, s:s, s:s, s:s, s:s, s:s}", "global_step", (json_int_t)t->step,
                  "epoch", trainer_epoch(t), "max_steps", (json_int_t)t->total_steps, "num_tokens",
                  t->num_tokens, "config", t->config_hash, "log_head", head, "weights", t->last_hash, "start",
                  t->start_hash, "optimizer", moments);
    CHECK(state, "state of step %ld", t->step);
    if (t->evaluation.best_step >= 0) {
        json_object_set_new(state, "best_global_step", json_integer(t->evaluation.best_step));
        json_object_set_new(state, "best_metric", json_real(t->evaluation.best));
    }
    if (t->schedule.plateau.on) json_object_set_new(state, "schedule", plateau_state(&t->schedule.plateau));
    if (t->pending.metrics)
        json_object_set_new(
            state, "pending",
            json_pack("{s:O, s:O}", "metrics", t->pending.metrics, "hashes", t->pending.hashes));
    int failed = json_write_file(state, path, e);
    json_decref(state);
    free(path);
    return failed;
}

static int write_parts(struct trainer *t, const char *dir, struct err *e)
{
    char *moments = path_join(dir, "optimizer.safetensors");
    int failed = model_save_trained(t->model, dir, model_dtype(t->model), NULL, e);
    if (!failed && !conf_bool(t->conf, "save_only_model")) failed = optimiser_save(t->opt, moments, e);
    if (!failed && t->learner->save) failed = t->learner->save(t->self, dir, e);
    if (!failed) failed = write_state(t, dir, e);
    if (!failed) failed = trainer_state_write(t, dir, e);
    free(moments);
    return failed;
}

int checkpoint_save(struct trainer *t, struct err *e)
{
    char *path = step_path(t->dir, t->step, ""), *fresh = step_path(t->dir, t->step, ".new");
    int failed = 0;
    if (!file_exists(path)) {
        if (file_exists(fresh)) failed = file_remove_tree(fresh, e);
        if (!failed) failed = write_parts(t, fresh, e);
        if (!failed) failed = file_rename(fresh, path, e);
        if (failed) file_remove_tree(fresh, NULL); /* on a full disk it must not take what is left */
        if (!failed && t->save_limit > 0)
            failed = checkpoint_prune(t->dir, t->save_limit, t->evaluation.best_step, e);
    }
    if (failed) err_wrap(e, "checkpoint of step %ld", t->step);
    free(path);
    free(fresh);
    return failed ? -1 : 0;
}

/* ---- loading --------------------------------------------------------------------------------------- */

static int read_weight(struct tensor_file *f, struct weight *w, const char *path, struct err *e)
{
    const struct tensor_info *info = tensor_file_find(f, w->name);
    if (!info) return err_set(e, "%s: no tensor '%s'", path, w->name);
    int64_t total = 1;
    for (int d = 0; d < info->n_dims; d++) total *= info->shape[d];
    if (info->n_dims < 1 || info->shape[info->n_dims - 1] != w->cols || total != (int64_t)w->rows * w->cols)
        return err_set(e, "%s: tensor '%s' is not %d x %d as the model's", path, w->name, w->rows, w->cols);
    enum { ROWS = 64 };
    float *x = alloc_floats(ROWS * (size_t)w->cols);
    int failed = 0;
    for (int row = 0, n; row < w->rows && !failed; row += n) {
        n = w->rows - row < ROWS ? w->rows - row : ROWS;
        failed = tensor_file_rows(f, info, row, n, x, e);
        if (!failed) weight_set_rows(w, row, n, x);
    }
    free(x);
    weight_changed(w);
    return failed;
}

int checkpoint_read_weights(struct model *m, const char *path, struct err *e)
{
    char *adapter = model_is_adapted(m) ? path_join(path, ADAPTER_WEIGHTS) : NULL;
    struct tensor_file *f = tensor_file_open(adapter ? adapter : path, e);
    free(adapter);
    if (!f) return -1;
    int failed = 0;
    for (int i = 0; i < model_n_weights(m) && !failed; i++)
        if (!model_is_fixed(m, i)) failed = read_weight(f, model_weight(m, i), path, e);
    tensor_file_close(f);
    return failed;
}

/* What an evaluation that a signal cut short left: the step's record is still to be written. */
static int read_pending(struct trainer *t, const json_t *state, const char *path, struct err *e)
{
    json_t *pending = json_object_get(state, "pending");
    json_t *metrics = json_object_get(pending, "metrics"), *hashes = json_object_get(pending, "hashes");
    if (!pending) return 0;
    if (!json_is_object(metrics) || !json_is_object(hashes))
        return err_set(e, "%s: 'pending' in resume.json must hold the objects metrics and hashes", path);
    step_out_init(&t->pending);
    json_object_update(t->pending.metrics, metrics);
    json_object_update(t->pending.hashes, hashes);
    return 0;
}

static int read_state(struct trainer *t, const json_t *state, const char *path, struct err *e)
{
    const char *weights, *head, *start = json_str_or(state, "start", "");
    if (json_get_int(state, "global_step", path, &t->step, e)) return -1;
    if (json_get_str(state, "weights", path, &weights, e)) return -1;
    if (json_get_str(state, "log_head", path, &head, e)) return -1;
    snprintf(t->resumed_head, sizeof t->resumed_head, "%s", head);
    if (json_get_real_or(state, "num_tokens", 0, &t->num_tokens, e)) return -1;
    if (json_get_int_or(state, "best_global_step", -1, &t->evaluation.best_step, e)) return -1;
    if (json_get_real_or(state, "best_metric", 0, &t->evaluation.best, e)) return -1;
    if (t->schedule.plateau.on && plateau_resume(&t->schedule.plateau, json_object_get(state, "schedule"), e))
        return err_wrap(e, "%s: 'schedule' in resume.json", path);
    if (read_pending(t, state, path, e)) return -1;
    if (t->step < 0 || t->step > t->total_steps)
        return err_set(e, "%s: is at step %ld, this run has %ld", path, t->step, t->total_steps);
    if (strcmp(start, t->start_hash) != 0)
        return err_kind_set(e, ERR_MISMATCH,
                            "%s: the run began from weights %s, the model given now has %s: "
                            "model_name_or_path (or seed) is not what it was",
                            path, start, t->start_hash);
    model_hash(t->model, t->last_hash);
    if (strcmp(t->last_hash, weights) != 0)
        return err_kind_set(
            e, ERR_MISMATCH,
            "%s: the weights' hash is %s, resume.json says %s: the checkpoint was "
            "changed or damaged; remove it, and the same command goes on from the one before it",
            path, t->last_hash, weights);
    return 0;
}

static int check_moments(const json_t *state, const char *path, struct err *e)
{
    const char *want = json_str_or(state, "optimizer", "");
    char have[HASH_HEX];
    if (moments_hash(path, have, e)) return -1;
    if (strcmp(want, have) == 0) return 0;
    return err_kind_set(
        e, ERR_MISMATCH,
        "%s: the hash of optimizer.safetensors is %s, resume.json says %s: the "
        "checkpoint was changed or damaged; remove it, and the same command goes on from the one "
        "before it",
        path, have, want);
}

int checkpoint_load(struct trainer *t, const char *path, struct err *e)
{
    char *state_path = path_join(path, "resume.json"), *moments = path_join(path, "optimizer.safetensors");
    json_t *state = json_read_file(state_path, e);
    int failed = state ? 0 : -1;
    if (!failed) failed = checkpoint_read_weights(t->model, path, e);
    if (!failed) failed = read_state(t, state, path, e);
    if (!failed && !file_exists(moments))
        failed =
            err_set(e, "%s: has no optimizer.safetensors (save_only_model), so it cannot be resumed", path);
    if (!failed) failed = optimiser_load(t->opt, moments, e);
    if (!failed) failed = check_moments(state, path, e);
    if (!failed && t->learner->load) failed = t->learner->load(t->self, path, e);
    if (failed && e->kind == ERR_FAILED)
        err_wrap(
            e,
            "a checkpoint that cannot be used (remove %s, and the same command goes on from the one before)",
            path);
    json_decref(state);
    free(state_path);
    free(moments);
    return failed ? -1 : 0;
}

int checkpoint_weights(struct trainer *t, long step, struct err *e)
{
    char *path = step_path(t->dir, step, ""), *state_path = path_join(path, "resume.json");
    json_t *state = json_read_file(state_path, e);
    int failed = state ? checkpoint_read_weights(t->model, path, e) : -1;
    if (!failed) {
        model_hash(t->model, t->last_hash);
        if (strcmp(t->last_hash, json_str_or(state, "weights", "")) != 0)
            failed = err_kind_set(e, ERR_MISMATCH, "%s: the weights are not those that were saved", path);
    }
    json_decref(state);
    free(path);
    free(state_path);
    return failed ? -1 : 0;
}
